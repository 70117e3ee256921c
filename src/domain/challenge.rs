//! The next step of a sign-in that one proof does not complete.

use std::time::Duration;

use crate::domain::secret::SecretString;

/// Asks the client for one more step. It proves that the steps before were taken.
#[derive(Debug)]
pub struct Challenge {
    pub reason: ChallengeReason,
    /// Opaque to clients. A secret: it stands for the steps that were taken.
    pub token: SecretString,
    /// The client chooses one of these.
    pub methods: Vec<ChallengeMethod>,
    pub expires_in: Duration,
}

/// Why a sign-in is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeReason {
    /// The account has a second factor.
    SecondFactorRequired,
    /// The account must have a second factor, and has none.
    SecondFactorEnrolmentRequired,
    /// The owner of the e-mail has not proved that it is theirs.
    EmailNotVerified,
}

impl ChallengeReason {
    /// The stable code that clients branch on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SecondFactorRequired => "SECOND_FACTOR_REQUIRED",
            Self::SecondFactorEnrolmentRequired => "SECOND_FACTOR_ENROLMENT_REQUIRED",
            Self::EmailNotVerified => "EMAIL_NOT_VERIFIED",
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::SecondFactorRequired => "A second factor is needed to sign in.",
            Self::SecondFactorEnrolmentRequired => "This account must have a second factor; enrol one to sign in.",
            Self::EmailNotVerified => "The e-mail must be verified to sign in.",
        }
    }
}

/// A way to take the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeMethod {
    EmailCode,
    Totp,
    RecoveryCode,
    Passkey,
}

impl ChallengeMethod {
    /// The name in snake case. An API may translate it, for example into upper case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmailCode => "email_code",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
        }
    }
}
