//! E-mail addresses: the text as typed, and the key by which an address is unique.

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

/// Longest address in octets (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const MAX_LENGTH: usize = 254;

/// A syntactically valid e-mail address with a fully qualified domain (RFC 5321, RFC 6531).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    text: String,
    key: String,
}

impl Email {
    /// Parses an address. White space around it is removed, because phones add it.
    ///
    /// # Errors
    /// The rule, as a clause that follows the field's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be an e-mail address, such as john.doe@example.com";
        let text: String = text.trim().nfc().collect();
        if text.is_empty() {
            return Err("must not be empty");
        }
        if text.len() > MAX_LENGTH {
            return Err("must be at most 254 bytes long");
        }
        if text.chars().any(char::is_control) {
            return Err(RULE);
        }
        let options = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        let address = EmailAddress::parse_with_options(&text, options).map_err(|_| RULE)?;
        let domain = idna::domain_to_ascii_strict(address.domain()).map_err(|_| RULE)?;
        let local = address.local_part();
        if local.starts_with('"') {
            return Err(RULE);
        }
        let key = format!("{}@{domain}", local.nfkc().collect::<String>().to_lowercase());
        Ok(Self { text, key })
    }

    /// The address as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form by which an address is unique: lower case, the domain in ASCII (RFC 5891).
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn one_mailbox_has_one_key() {
        let key = |text: &str| Email::parse(text).unwrap().key().to_owned();
        assert_eq!(key("John.Doe@Example.COM"), "john.doe@example.com");
        assert_eq!(key("  john.doe@example.com\n"), "john.doe@example.com");
        assert_eq!(key("\u{ff4a}ohn@example.com"), "john@example.com");
        assert_eq!(key("a@bücher.example"), key("A@XN--BCHER-KVA.example"));
        assert_eq!(key("e\u{301}va@example.com"), key("\u{c9}va@example.com"));
    }

    #[test]
    fn the_typed_text_is_kept() {
        assert_eq!(
            Email::parse("John.Doe@Example.com").unwrap().as_str(),
            "John.Doe@Example.com"
        );
    }

    #[test]
    fn invalid_addresses_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            " ",
            "john",
            "john@",
            "@example.com",
            "john@localhost",
            "john doe@example.com",
            "a@b@example.com",
            "John <john@example.com>",
            "john@[127.0.0.1]",
            "john@exa mple.com",
            "john@-example.com",
            "jo\0hn@example.com",
            "john@example.com\0",
            "<script>@example.com",
            "\"<script>\"@example.com",
            "john@example..com",
            long.as_str(),
        ] {
            assert!(Email::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
