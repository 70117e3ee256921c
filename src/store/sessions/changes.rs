//! Follows what others than the gateway change in SQL: roles or a picture that an operator sets, an account that is deleted, a session
//! that is ended by hand. Triggers write down whose sessions that concerns, and each node has Redis forget what it holds of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;

/// How long a change may become visible after one that was made later: transactions commit in any order. The triggers write at the end
/// of theirs, so this is the time of a commit.
const OVERLAP: Duration = Duration::from_mins(1);

/// How far one node has come.
pub(super) struct Changes(Mutex<Followed>);

#[derive(Default)]
struct Followed {
    /// Up to this number all are done.
    up_to: i64,
    /// Those beyond that are done, and when they were.
    done: HashMap<i64, Timestamp>,
}

impl Changes {
    /// From the first one on that is still written down.
    pub(super) fn from_the_beginning() -> Self {
        Self(Mutex::default())
    }

    /// After which number the next changes stand.
    pub(super) fn up_to(&self) -> i64 {
        self.followed().up_to
    }

    /// The sessions of those changes that are not done, each of them once.
    pub(super) fn still_to_do(&self, changes: &[(i64, SessionId)]) -> Vec<SessionId> {
        let followed = self.followed();
        let new = changes.iter().filter(|(number, _)| !followed.done.contains_key(number));
        let mut ids: Vec<SessionId> = new.map(|(_, id)| *id).collect();
        ids.sort_unstable_by_key(|id| id.0);
        ids.dedup();
        ids
    }

    /// Takes note that these are done.
    pub(super) fn are_done(&self, changes: &[(i64, SessionId)], now: Timestamp) {
        let mut followed = self.followed();
        for (number, _) in changes {
            followed.done.entry(*number).or_insert(now);
        }
        let settled = followed.done.iter().filter(|(_, at)| now > at.plus(OVERLAP));
        if let Some(up_to) = settled.map(|(number, _)| *number).max() {
            followed.up_to = up_to;
            followed.done.retain(|number, _| *number > up_to);
        }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn each_change_is_done_once_also_one_that_shows_late() {
        let changes = Changes::from_the_beginning();
        let ids = [(); 3].map(|()| SessionId::fresh());
        let (first, late, last) = ((7, ids[0]), (8, ids[1]), (9, ids[2]));
        assert_eq!(changes.still_to_do(&[first, last]).len(), 2);
        changes.are_done(&[first, last], NOW);
        let seen = [first, late, last];
        assert_eq!((changes.up_to(), changes.still_to_do(&seen)), (0, vec![late.1]));
        changes.are_done(&seen, NOW.plus(OVERLAP));
        assert_eq!((changes.up_to(), changes.still_to_do(&seen)), (0, vec![]));
        changes.are_done(&seen, NOW.plus(OVERLAP).plus(Duration::from_millis(1)));
        assert_eq!(changes.up_to(), 9, "what shows later still is not waited for");
    }

    #[test]
    fn a_session_that_changed_twice_is_one_session() {
        let id = SessionId::fresh();
        assert_eq!(Changes::from_the_beginning().still_to_do(&[(1, id), (2, id)]), [id]);
    }
}
