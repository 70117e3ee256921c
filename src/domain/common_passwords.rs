//! The most common passwords: a sorted list in the binary, searched in place.
//!
//! `common_passwords.license.txt` names the source of the list.

use std::cmp::Ordering;

/// Fifteen thousand passwords of 8 characters or more, in lower case, sorted, each with a line end.
const LIST: &str = include_str!("common_passwords.txt");

/// Whether the list contains a password, which must be in lower case.
pub(super) fn contains(lower_case: &str) -> bool {
    let mut rest = LIST;
    while let Some((before, line, after)) = split(rest) {
        match lower_case.cmp(line) {
            Ordering::Less => rest = before,
            Ordering::Equal => return true,
            Ordering::Greater => rest = after,
        }
    }
    false
}

/// The lines before the middle line, the middle line, and the lines after it; `None` if there are
/// no lines.
fn split(lines: &str) -> Option<(&str, &str, &str)> {
    // Bytes, not characters: the middle may be inside a character, but a line begins before it.
    let half = lines.as_bytes().get(..lines.len() / 2)?;
    let start = half.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (before, from_line) = lines.split_at(start);
    let (line, after) = from_line.split_once('\n')?;
    Some((before, line, after))
}

#[cfg(test)]
mod tests {
    use super::{LIST, contains};

    #[test]
    fn the_list_is_long_lower_case_sorted_and_unique() {
        let lines: Vec<&str> = LIST.lines().collect();
        // ASVS 5.0 requires 3000 (6.2.4).
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
    fn only_the_lines_of_the_list_are_found() {
        for line in LIST.lines() {
            assert!(contains(line), "{line}");
            let longer = format!("{line}\u{10ffff}");
            assert!(!contains(&longer), "{longer}");
        }
        for text in ["", "\n", "password\n", "passwor", "~", "\u{10ffff}", "password@123"] {
            assert!(!contains(text), "{text:?}");
        }
    }
}
