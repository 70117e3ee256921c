//! Usernames: short public names from a small alphabet.

/// A username: 3 to 32 ASCII letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Parses a username. Nothing is trimmed, because spaces are not allowed.
    ///
    /// # Errors
    /// The rule, as a clause that follows the field's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !text.chars().all(is_allowed) {
            return Err("may hold letters (a to z), digits, '_', '.' and '-' only");
        }
        if !(3..=32).contains(&text.len()) {
            return Err("must be 3 to 32 characters long");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which a name is unique: lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::Username;

    #[test]
    fn other_characters_and_lengths_are_refused() {
        for text in ["abc", "John.Doe-1_x", &"a".repeat(32)] {
            assert_eq!(Username::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "ab",
            &"a".repeat(33),
            "john doe",
            "jöhn",
            "<b>john</b>",
            "john\0",
            "john@example",
        ] {
            assert!(Username::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_key_ignores_case() {
        assert_eq!(Username::parse("JohnDoe").unwrap().key(), "johndoe");
    }
}
