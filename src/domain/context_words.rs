//! Context words: what an attacker tries first at this account, or at this installation.
//!
//! The list (ASVS 5.0, 6.1.2; NIST SP 800-63B-4 section 3.1.1.2): the account's e-mail, the part of it before the `@`, and its username; the
//! name of this program; the host of `PUBLIC_URL` and each of its labels but the last; and what `PASSWORD_CONTEXT_WORDS` adds.
//!
//! The rule: a password must not be one of them, nor a spelling of one that only differs in case, digits, punctuation and blanks. So
//! `John.Doe` stands for `johndoe1987!` too, and a password that holds a word among others is no business of this file.

use unicode_normalization::UnicodeNormalization;

use crate::domain::secret::SecretString;

/// What this program is called.
const PROGRAM: &str = "auth-gateway";

/// The words of an installation.
#[derive(Debug, Clone)]
pub struct ContextWords(Vec<String>);

/// Whose password is judged: the names as they were typed.
#[derive(Debug, Clone, Copy)]
pub struct AccountNames<'a> {
    /// The e-mail.
    pub email: &'a str,
    /// The username.
    pub username: &'a str,
}

impl ContextWords {
    /// The words of an installation that is reached at `public_url`, with those that its operator adds.
    #[must_use]
    pub fn of(public_url: &str, added: &[String]) -> Self {
        let host = host(public_url);
        let mut words: Vec<String> = host.split('.').map(str::to_owned).collect();
        // The last label is everybody's, unless it is the only one.
        if words.len() > 1 {
            words.pop();
        }
        words.extend([PROGRAM, host].map(str::to_owned));
        words.extend_from_slice(added);
        Self(words)
    }

    /// Judges a password in NFC.
    ///
    /// # Errors
    /// What is not allowed, as a clause that follows the field's name.
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

/// Whether the password is the word, or has its letters. A word without letters, such as a number, is compared as it stands alone.
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

/// The host of an address: without its scheme, port and path.
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
        assert!(!refused(&words, "example123"), "the last label is everybody's");
        let local = ContextWords::of("http://localhost:8000", &[]);
        assert!(refused(&local, "localhost1"));
        assert!(!refused(&local, "Road Runner"));
    }

    #[test]
    fn letters_of_any_script_count_and_a_word_without_letters_stands_for_itself() {
        let words = ContextWords::of("http://127.0.0.1:8000", &["M\u{fc}nchen".to_owned(), "4711".to_owned()]);
        assert!(
            refused(&words, "mu\u{308}nchen 1860"),
            "both spellings of one character are one"
        );
        assert!(refused(&words, "127.0.0.1"));
        assert!(refused(&words, "4711"));
        assert!(
            !refused(&words, "4711471147"),
            "digits are not left out of a word of digits"
        );
        let nameless = AccountNames {
            email: "",
            username: "",
        };
        assert!(words.check("12345678", nameless).is_ok());
    }
}
