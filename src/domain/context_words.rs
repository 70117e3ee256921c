//! Context words: the words that an attacker tries first for this account or this installation.
//!
//! The list (ASVS 5.0, 6.1.2; NIST SP 800-63B-4 section 3.1.1.2):
//!
//! - the account's e-mail, its part before the `@`, and the username
//! - the name of this program
//! - the host of `PUBLIC_URL`, and each of its labels except the last
//! - the words of `PASSWORD_CONTEXT_WORDS`
//!
//! A password must not be one of them, nor differ from one only in case, digits, punctuation and
//! spaces. So `John.Doe` forbids `johndoe1987!` too. A password may contain a context word among
//! other letters.

use unicode_normalization::UnicodeNormalization;

use crate::domain::secret::SecretString;

const PROGRAM: &str = "auth-gateway";

/// The context words of an installation.
#[derive(Debug, Clone)]
pub struct ContextWords(Vec<String>);

/// The names of the account whose password is checked, as they were typed.
#[derive(Debug, Clone, Copy)]
pub struct AccountNames<'a> {
    pub email: &'a str,
    pub username: &'a str,
}

impl ContextWords {
    /// The words of an installation at `public_url`, and those that its operator adds.
    #[must_use]
    pub fn of(public_url: &str, added: &[String]) -> Self {
        let host = host(public_url);
        let mut words: Vec<String> = host.split('.').map(str::to_owned).collect();
        // The last label is a top-level domain such as `com`, unless it is the only label.
        if words.len() > 1 {
            words.pop();
        }
        words.extend([PROGRAM, host].map(str::to_owned));
        words.extend_from_slice(added);
        Self(words)
    }

    /// Checks a password, which must be in NFC.
    ///
    /// # Errors
    /// The rule, as a clause that follows the field's name.
    pub(super) fn check(&self, password: &str, names: AccountNames<'_>) -> Result<(), &'static str> {
        let letters = letters_of(password);
        let spells = |word: &str| spells(password, &letters, word);
        let local_part = names.email.rsplit_once('@').map_or("", |(local, _)| local);
        if spells(names.email) || spells(local_part) {
            return Err(
                "must not be the account's e-mail or its first part, whatever digits and punctuation are added",
            );
        }
        if spells(names.username) {
            return Err("must not be the account's username, whatever digits and punctuation are added");
        }
        if self.0.iter().any(|word| spells(word)) {
            return Err("must not be a name of this service, whatever digits and punctuation are added");
        }
        Ok(())
    }
}

/// Whether the password has the letters of the word. A word without letters, such as a number, must
/// be equal.
fn spells(password: &str, letters: &SecretString, word: &str) -> bool {
    let expected = letters_of(word);
    if expected.expose().is_empty() {
        return !word.is_empty() && password == word;
    }
    letters.expose() == expected.expose()
}

/// The letters of a text, in NFC and lower case.
fn letters_of(text: &str) -> SecretString {
    let mut kept = String::with_capacity(3 * text.len());
    kept.extend(text.nfc().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase));
    SecretString::new(kept)
}

/// The host of a URL, without scheme, port and path.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOHN: AccountNames = AccountNames {
        email: "John.Doe@example.com",
        username: "johnny5",
    };

    fn refused(words: &ContextWords, password: &str) -> bool {
        words.check(password, JOHN).is_err()
    }

    #[test]
    fn names_of_the_account_are_refused_in_any_spelling() {
        let words = ContextWords::of("http://localhost:8000", &[]);
        for password in [
            "john.doe@example.com",
            "JohnDoe@Example.com1!",
            "john.doe",
            "JOHNDOE1987",
            "  john_doe  ",
            "1john2doe3",
            "johnny5",
            "Johnny2026!!",
        ] {
            assert!(refused(&words, password), "{password} was accepted");
        }
        for password in [
            "johndoe is my name",
            "Password@123",
            "johndoes99",
            "doe.john",
            "12345678",
        ] {
            assert!(!refused(&words, password), "{password} was refused");
        }
    }

    #[test]
    fn names_of_the_installation_are_refused() {
        let words = ContextWords::of(
            "https://login.acme-tools.example:8443/auth",
            &["Road Runner".to_owned()],
        );
        for password in [
            "auth-gateway",
            "AuthGateway1",
            "login.acme-tools.example",
            "login123",
            "AcmeTools!",
            "roadrunner99",
        ] {
            assert!(refused(&words, password), "{password} was accepted");
        }
        assert!(!refused(&words, "example123"), "the last label is a top-level domain");
        let local = ContextWords::of("http://localhost:8000", &[]);
        assert!(refused(&local, "localhost1"));
        assert!(!refused(&local, "Road Runner"));
    }

    #[test]
    fn letters_of_any_script_are_compared_and_numbers_must_be_equal() {
        let words = ContextWords::of("http://127.0.0.1:8000", &["M\u{fc}nchen".to_owned(), "4711".to_owned()]);
        assert!(
            refused(&words, "mu\u{308}nchen 1860"),
            "both Unicode forms of a character are equal"
        );
        assert!(refused(&words, "127.0.0.1"));
        assert!(refused(&words, "4711"));
        assert!(!refused(&words, "4711471147"), "digits of a number are not ignored");
        let nameless = AccountNames {
            email: "",
            username: "",
        };
        assert!(words.check("12345678", nameless).is_ok());
    }
}
