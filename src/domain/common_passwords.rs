//! The passwords that everybody tries first: a sorted list in the binary, searched where it lies.
//!
//! Where the list comes from stands beside it, in `common_passwords.license.txt`.

use std::cmp::Ordering;

/// Fifteen thousand passwords of 8 characters or more, folded to lower case and sorted, each with a line end.
const LIST: &str = include_str!("common_passwords.txt");

/// Whether a password, folded to lower case, is one of them.
pub(super) fn has(folded: &str) -> bool {
    let mut rest = LIST;
    while let Some((before, line, after)) = split(rest) {
        match folded.cmp(line) {
            Ordering::Less => rest = before,
            Ordering::Equal => return true,
            Ordering::Greater => rest = after,
        }
    }
    false
}

/// The lines before the one in the middle, that line, and the lines after it; `None` if there are none.
fn split(lines: &str) -> Option<(&str, &str, &str)> {
    // Half of the bytes: no character of the list need begin there, but a line ends somewhere before.
    let half = lines.as_bytes().get(..lines.len() / 2)?;
    let start = half.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (before, from_line) = lines.split_at(start);
    let (line, after) = from_line.split_once('\n')?;
    Some((before, line, after))
}

#[cfg(test)]
mod tests {
    use super::{LIST, has};

    #[test]
    fn the_list_is_long_lower_case_sorted_and_unique() {
        let lines: Vec<&str> = LIST.lines().collect();
        // ASVS 5.0 asks for 3000 (6.2.4).
        assert!(lines.len() >= 15_000, "{}", lines.len());
        for line in &lines {
            assert!(
                *line == line.to_lowercase() && line.chars().count() >= 8 && line.trim() == *line,
                "{line}"
            );
        }
        assert!(lines.is_sorted_by(|one, next| one < next));
        assert!(LIST.ends_with('\n'));
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for line in LIST.lines() {
            assert!(has(line), "{line}");
            let longer = format!("{line}\u{10ffff}");
            assert!(!has(&longer), "{longer}");
        }
        for text in ["", "\n", "password\n", "passwor", "~", "\u{10ffff}", "password@123"] {
            assert!(!has(text), "{text:?}");
        }
    }
}
