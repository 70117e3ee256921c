//! One-time tokens: every secret that is handed out once and comes back once. Mailed links and
//! codes, challenges of a half-finished login, ceremonies, provider flows and exchange codes.
//!
//! To add a kind, add a variant to [`TokenPurpose`], its row in [`TokenPurpose::rules`] and its
//! place in [`TokenPurpose::ALL`]. Then, in the use case:
//!
//! 1. Make the secret with `security::OneTimeTokens`, and keep only its digest.
//! 2. Store a [`NewOneTimeToken`] with `OneTimeTokenStore::create`. The payload is whatever the
//!    use case needs when the token comes back; the store encrypts it.
//! 3. When a secret comes back, call `consume`. When it comes with a code of six digits, call
//!    `try_code`. When the code is verified elsewhere, as a TOTP code is, call `count_try`,
//!    verify the code, and then call `consume`.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::secret::{SecretBytes, SecretString};

/// The longest lifetime of a short-lived token.
const SHORT: Duration = Duration::from_mins(10);

/// What a token is for. A token of one purpose is never accepted for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenPurpose {
    /// The link that verifies an e-mail address.
    EmailVerificationLink,
    /// The code that does the same for a client that is signed in.
    EmailVerificationCode,
    /// The link that resets a password.
    PasswordReset,
    /// The link that confirms a new e-mail address.
    EmailChange,
    /// The link that takes a change of the e-mail address back.
    EmailChangeRevert,
    /// A login that needs one more step.
    LoginChallenge,
    /// A TOTP secret that has not been confirmed yet.
    TotpEnrolment,
    /// A `WebAuthn` registration or assertion that is under way.
    PasskeyCeremony,
    /// A sign-in at an identity provider that is under way.
    ProviderFlow,
    /// The code that a client exchanges for tokens after a sign-in at an identity provider.
    LoginExchangeCode,
}

/// What the owner of a token presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// A secret of 256 bits, which also finds the token.
    Secret,
    /// Six digits. The token is found by its id.
    Code,
}

/// Everything that differs between purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurposeRules {
    /// How the purpose is stored. Part of keys in Redis and of the encryption of payloads.
    pub name: &'static str,
    /// What its owner presents.
    pub form: TokenForm,
    /// The longest lifetime. Settings may ask for less.
    pub max_lifetime: Duration,
    /// After so many tries the token is over.
    pub max_tries: u32,
    /// Whether a new token ends the subject's earlier ones of the same purpose.
    pub replaces_earlier: bool,
}

impl TokenPurpose {
    /// All purposes.
    pub const ALL: [Self; 10] = [
        Self::EmailVerificationLink,
        Self::EmailVerificationCode,
        Self::PasswordReset,
        Self::EmailChange,
        Self::EmailChangeRevert,
        Self::LoginChallenge,
        Self::TotpEnrolment,
        Self::PasskeyCeremony,
        Self::ProviderFlow,
        Self::LoginExchangeCode,
    ];

    /// The table of purposes. SP 800-63A-4 section 3.8 bounds verification links, ASVS 5.0
    /// requirement 6.5.5 codes, and RFC 9700 exchange codes.
    #[must_use]
    pub const fn rules(self) -> PurposeRules {
        use TokenForm::{Code, Secret};
        let hours = Duration::from_hours;
        match self {
            Self::EmailVerificationLink => row("email_verification_link", Secret, hours(24), 1, false),
            Self::EmailVerificationCode => row("email_verification_code", Code, SHORT, 5, true),
            Self::PasswordReset => row("password_reset", Secret, hours(1), 1, false),
            Self::EmailChange => row("email_change", Secret, hours(24), 1, true),
            Self::EmailChangeRevert => row("email_change_revert", Secret, hours(7 * 24), 1, false),
            Self::LoginChallenge => row("login_challenge", Secret, SHORT, 5, false),
            Self::TotpEnrolment => row("totp_enrolment", Secret, SHORT, 5, true),
            Self::PasskeyCeremony => row("passkey_ceremony", Secret, SHORT, 1, false),
            Self::ProviderFlow => row("provider_flow", Secret, SHORT, 1, false),
            Self::LoginExchangeCode => row("login_exchange_code", Secret, Duration::from_mins(1), 1, false),
        }
    }

    /// The name of the purpose as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.rules().name
    }

    /// Whether tokens of this purpose may be kept in Redis. A restart or a failover of Redis may
    /// lose them, or bring one back that was just used. For minutes that is acceptable, for days
    /// it is not.
    #[must_use]
    pub fn is_short_lived(self) -> bool {
        self.rules().max_lifetime <= SHORT
    }
}

const fn row(
    name: &'static str,
    form: TokenForm,
    max_lifetime: Duration,
    max_tries: u32,
    replaces_earlier: bool,
) -> PurposeRules {
    PurposeRules {
        name,
        form,
        max_lifetime,
        max_tries,
        replaces_earlier,
    }
}

/// Names a token. Random, but no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(pub Uuid);

impl TokenId {
    /// A fresh id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The secret itself, which goes to its owner and is stored nowhere.
#[derive(Debug, Clone)]
pub struct OneTimeToken(pub SecretString);

/// What a store keeps of a secret or of a code. `security::OneTimeTokens` makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

/// Whom a token is about: all tokens of a subject can be ended together. It holds no personal
/// data, because it is stored as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenSubject(String);

impl TokenSubject {
    /// An account.
    #[must_use]
    pub fn account(account: AccountId) -> Self {
        Self(format!("account:{}", account.0.simple()))
    }

    /// Anything else, by its keyed hash: an e-mail address, for example.
    #[must_use]
    pub fn keyed_hash(hash: &str) -> Self {
        Self(format!("hash:{hash}"))
    }

    /// As a store wrote it.
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text that is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token that is about to be stored.
#[derive(Debug, Clone)]
pub struct NewOneTimeToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// The digest of its secret or code.
    pub digest: TokenDigest,
    /// Whom it is about; `None` for a client that is not known yet.
    pub subject: Option<TokenSubject>,
    /// What the use case needs when the token comes back.
    pub payload: SecretBytes,
    /// When it is created.
    pub created_at: Timestamp,
    /// How long it lasts, at most as long as its purpose allows.
    pub lifetime: Duration,
}

impl NewOneTimeToken {
    /// From this time on the token is not accepted.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.created_at
            .plus(self.lifetime.min(self.purpose.rules().max_lifetime))
    }
}

/// A token that was accepted, or looked at.
#[derive(Debug, Clone)]
pub struct OpenedToken {
    /// Its id.
    pub id: TokenId,
    /// Whom it is about.
    pub subject: Option<TokenSubject>,
    /// What was stored with it.
    pub payload: SecretBytes,
}

/// The result of a code.
#[derive(Debug, Clone)]
pub enum CodeAttempt {
    /// The code is right, and has been used up.
    Right(OpenedToken),
    /// The code is wrong.
    Wrong {
        /// How many more codes may be tried. After zero the next answer is `Gone`.
        tries_left: u32,
    },
    /// There is no such token: it never existed, was used or replaced, has expired or was tried
    /// too often.
    Gone,
}

/// A try whose code is verified by the caller.
#[derive(Debug, Clone)]
pub struct CountedTry {
    /// The token, which lives on until it is consumed.
    pub token: OpenedToken,
    /// How many more tries there are after this one.
    pub tries_left: u32,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_purpose_has_a_name_of_its_own_and_sane_bounds() {
        let names: HashSet<_> = TokenPurpose::ALL.map(TokenPurpose::name).into();
        assert_eq!(names.len(), TokenPurpose::ALL.len());
        for purpose in TokenPurpose::ALL {
            let rules = purpose.rules();
            assert!(
                rules.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{rules:?}"
            );
            assert!((1..=5).contains(&rules.max_tries), "{rules:?}");
            assert!(rules.max_lifetime <= Duration::from_hours(7 * 24), "{rules:?}");
            // Six digits are 20 bits: good for minutes and five tries (ASVS 5.0, 6.5.4 and 6.5.5).
            assert!(rules.form == TokenForm::Secret || purpose.is_short_lived(), "{rules:?}");
        }
    }

    #[test]
    fn a_token_lasts_no_longer_than_its_purpose_allows() {
        let token = |lifetime| NewOneTimeToken {
            id: TokenId::random(),
            purpose: TokenPurpose::PasswordReset,
            digest: TokenDigest([0; 32]),
            subject: None,
            payload: SecretBytes::new(Vec::new()),
            created_at: Timestamp::from_millis(0),
            lifetime,
        };
        let minute = Duration::from_mins(1);
        assert_eq!(token(minute).expires_at(), Timestamp::from_millis(60_000));
        assert_eq!(token(Duration::MAX).expires_at(), Timestamp::from_millis(3_600_000));
    }
}
