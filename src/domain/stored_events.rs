//! The setting `AUDIT_EVENTS`: which audit events are stored in SQL. All of them are logged. Each
//! row of `audit::EVENTS` says whether its event is stored by default.

use std::fmt;

use crate::domain::audit::{EVENTS, EventKind};

/// A set of kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvents([bool; EVENTS.len()]);

impl StoredEvents {
    #[must_use]
    pub fn contains(&self, kind: EventKind) -> bool {
        self.0[kind as usize]
    }

    /// Parses names separated by commas: `all` and `registered` add events, `-registered` takes one
    /// out again.
    ///
    /// # Errors
    /// What is allowed, as a clause that follows the setting's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut stored = Self([false; EVENTS.len()]);
        for (place, entry) in text.split(',').map(str::trim).enumerate() {
            let (name, is_stored) = entry.strip_prefix('-').map_or((entry, true), |name| (name, false));
            let kind = EVENTS.iter().find(|row| row.name == name).map(|row| row.kind);
            match kind {
                Some(_) if place == 0 && !is_stored => return Err(rule()),
                Some(kind) => stored.0[kind as usize] = is_stored,
                None if entry == "all" => stored.0 = [true; EVENTS.len()],
                None => return Err(rule()),
            }
        }
        Ok(stored)
    }
}

impl Default for StoredEvents {
    fn default() -> Self {
        Self(std::array::from_fn(|place| EVENTS[place].is_stored_by_default))
    }
}

impl fmt::Display for StoredEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all")?;
        EVENTS
            .iter()
            .filter(|row| !self.contains(row.kind))
            .try_for_each(|row| write!(f, ",-{}", row.name))
    }
}

fn rule() -> String {
    let names: Vec<_> = EVENTS.iter().map(|row| row.name).collect();
    format!(
        "must hold names of audit events, separated by commas, where `all` adds every event and a `-` before a name takes \
         it out again: {}; for example {}",
        names.join(", "),
        StoredEvents::default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_entries_win() {
        for (text, has_logged_in, has_refreshed) in [
            ("all", true, true),
            ("all,-refreshed", true, false),
            ("all, -refreshed, refreshed", true, true),
            ("logged_in", true, false),
            ("registered,refreshed", false, true),
        ] {
            let stored = StoredEvents::parse(text).unwrap();
            let found = (
                stored.contains(EventKind::LoggedIn),
                stored.contains(EventKind::Refreshed),
            );
            assert_eq!(found, (has_logged_in, has_refreshed), "{text}");
        }
    }

    #[test]
    fn unknown_names_and_a_list_that_only_takes_out_are_refused() {
        for text in ["", "refresh", "all,", "-all", "-refreshed", "all,-refresh", "ALL"] {
            let rule = StoredEvents::parse(text).unwrap_err();
            assert!(rule.contains("refresh_token_reused"), "{rule}");
        }
    }

    #[test]
    fn a_set_is_printed_as_it_is_parsed() {
        assert_eq!(StoredEvents::default().to_string(), "all,-refreshed");
        for text in ["all", "all,-refreshed", "all,-logged_in,-limited"] {
            assert_eq!(StoredEvents::parse(text).unwrap().to_string(), text);
        }
    }
}
