//! Passwords as people choose and present them. The `security` module hashes them.
//!
//! The rules follow NIST SP 800-63B-4 section 3.1.1.2: any Unicode, normalised, never truncated, no
//! composition rules, but no common password and no context word.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::domain::common_passwords;
use crate::domain::context_words::{AccountNames, ContextWords};
use crate::domain::secret::SecretString;

/// Longest password, in characters after normalisation. It is fixed, so that no setting can make
/// hashing unbounded.
pub const MAX_LENGTH: usize = 256;

/// The configurable rules for a new password.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// Least length, in characters.
    pub min_length: usize,
    pub context_words: ContextWords,
}

/// A password that a client presents to sign in: normalised, but not checked against the rules.
#[derive(Debug, Clone)]
pub struct PresentedPassword(SecretString);

/// A password that meets the rules for new passwords.
#[derive(Debug, Clone)]
pub struct NewPassword(PresentedPassword);

impl PresentedPassword {
    /// Parses a password for comparison. The minimum length is not checked: it may have been lower
    /// when the password was chosen.
    ///
    /// # Errors
    /// The rule, as a clause that follows the field's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = normalised(text);
        if text.expose().is_empty() {
            return Err("must not be empty".to_owned());
        }
        if text.expose().chars().count() > MAX_LENGTH {
            return Err(format!("must be at most {MAX_LENGTH} characters long"));
        }
        Ok(Self(text))
    }

    /// The bytes to hash: the NFC form in UTF-8 (RFC 8265 section 4.2).
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// The text in NFC. NFC makes a text at most three times as long (Unicode's normalization FAQ), so
/// the buffer never grows: a reallocation would leave a copy that is not wiped.
fn normalised(text: &str) -> SecretString {
    let mut normalised = String::with_capacity(3 * text.len());
    normalised.extend(text.nfc());
    SecretString::new(normalised)
}

impl NewPassword {
    /// Parses a new password for the account with these names.
    ///
    /// # Errors
    /// The rule, as a clause that follows the field's name.
    pub fn parse(text: &str, rules: &PasswordRules, names: AccountNames<'_>) -> Result<Self, String> {
        let password = PresentedPassword::parse(text)?;
        let (chosen, min_length) = (password.0.expose(), rules.min_length);
        if chosen.chars().count() < min_length {
            return Err(format!("must be at least {min_length} characters long"));
        }
        if chosen.chars().any(char::is_control) {
            return Err("must not hold control characters".to_owned());
        }
        if chosen.chars().all(char::is_whitespace) {
            return Err("must not be blank".to_owned());
        }
        if is_common(chosen) {
            return Err("is one of the most common passwords; choose another".to_owned());
        }
        rules.context_words.check(chosen, names)?;
        Ok(Self(password))
    }

    /// Whether both passwords are equal.
    #[must_use]
    pub fn is(&self, presented: &PresentedPassword) -> bool {
        // Not in constant time: the client sent both.
        self.0.expose() == presented.expose()
    }

    #[must_use]
    pub fn into_presented(self) -> PresentedPassword {
        self.0
    }
}

fn is_common(password: &str) -> bool {
    common_passwords::contains(SecretString::new(password.to_lowercase()).expose())
}

/// A password hash as a PHC string (`$argon2id$v=19$…`). `Debug` redacts it, because it can be
/// attacked offline.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountNames, ContextWords, NewPassword, PasswordRules, PresentedPassword};

    fn parse(text: &str) -> Result<NewPassword, String> {
        let rules = PasswordRules {
            min_length: 8,
            context_words: ContextWords::of("http://localhost:8000", &[]),
        };
        let john = AccountNames {
            email: "john.doe@example.com",
            username: "johndoe",
        };
        NewPassword::parse(text, &rules, john)
    }

    #[test]
    fn length_is_counted_in_normalised_characters() {
        assert!(parse("pässwö1").is_err(), "7 characters in 9 bytes");
        assert!(parse("pässwö12").is_ok());
        assert!(
            parse("e\u{301}e\u{301}e\u{301}e\u{301}").is_err(),
            "8 code points make 4 characters"
        );
        assert!(parse(&"ü".repeat(256)).is_ok());
        assert!(parse(&"ü".repeat(257)).is_err());
    }

    #[test]
    fn both_unicode_forms_of_a_character_give_the_same_password() {
        let composed = PresentedPassword::parse("caf\u{e9} au lait").unwrap();
        let decomposed = PresentedPassword::parse("cafe\u{301} au lait").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn spaces_around_a_password_are_kept() {
        assert_eq!(
            PresentedPassword::parse(" secret word ").unwrap().expose(),
            b" secret word "
        );
    }

    #[test]
    fn untypable_and_common_passwords_are_refused() {
        for text in [
            "        ",
            "pass\0word1",
            "tab\tseparated",
            "line\nbreak12",
            "12345678",
            "Password1",
            "QWERTYUIOP",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(parse("Password@123").is_ok(), "the documented example");
    }

    #[test]
    fn context_words_are_refused() {
        assert!(parse("John.Doe1987").is_err());
        assert!(parse("auth-gateway!").is_err());
    }

    #[test]
    fn a_new_password_is_compared_in_normalised_form() {
        let (new, same) = (
            parse("caf\u{e9} au lait"),
            PresentedPassword::parse("cafe\u{301} au lait"),
        );
        let other = PresentedPassword::parse("caf\u{e9} au Lait").unwrap();
        assert!(new.as_ref().unwrap().is(&same.unwrap()));
        assert!(!new.unwrap().is(&other));
    }
}
