//! The errors of the service, grouped by what a client can do next.
//!
//! Each variant has a stable code and a message that is safe to show. Causes are kept as sources
//! for the log and never reach a client. The API adds the errors of the transport, and maps each
//! code to an HTTP status (`api::http::error_codes`).

use std::error::Error as StdError;
use std::time::Duration;

use crate::domain::challenge::Challenge;

/// Result of everything that the service does.
pub type Result<T> = std::result::Result<T, Error>;

/// A cause, for the log only.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why an operation was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One or more fields hold unacceptable values.
    #[error("{}", summary(.0))]
    Validation(Vec<FieldProblem>),
    /// The request does not have the right shape.
    #[error("{detail}")]
    BadRequest {
        /// What is wrong with the request as a whole.
        detail: String,
        /// The fields at fault; empty when the body could not be read at all.
        fields: Vec<FieldProblem>,
    },
    /// Wrong password or unknown account. One error for both, so that a client cannot find out
    /// which accounts exist.
    #[error("The e-mail, username or password is wrong.")]
    InvalidCredentials,
    /// No access token, or one that is not accepted.
    #[error("{}", .0.message())]
    Unauthenticated(Refusal),
    /// A refresh token that is malformed, forged or expired, or whose session has ended.
    #[error("The refresh token is not valid; sign in again.")]
    RefreshTokenInvalid,
    /// A rotated refresh token was used after its grace period. Its session has been ended.
    #[error("The refresh token was used before; its session has been ended. Sign in again.")]
    RefreshTokenReused,
    /// What the request names does not exist, or belongs to another account.
    #[error("There is nothing here.")]
    NotFound,
    /// The proof was right, and the sign-in needs one more step.
    #[error("{}", .0.reason.message())]
    NextStep(Box<Challenge>),
    /// Another account has this e-mail.
    #[error("An account with this e-mail exists already.")]
    EmailTaken,
    /// Another account has this username.
    #[error("This username is taken.")]
    UsernameTaken,
    /// A rate limit was reached; the time until the next attempt is allowed.
    #[error("Too many attempts; try again in {}.", seconds(*.0))]
    RateLimited(Duration),
    /// A dependency is down, or a queue is full.
    #[error("The service is not available right now; try again in {}.", seconds(*.retry_after))]
    Unavailable {
        /// How long the client should wait before it tries again.
        retry_after: Duration,
        /// What failed, for the log.
        #[source]
        cause: Cause,
    },
    /// A failure that should not happen.
    #[error("Something went wrong on our side.")]
    Internal(#[source] Cause),
}

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name in snake case. An API may translate it, for example into camel case.
    pub field: String,
    /// What is allowed, as a clause that follows the field's name.
    pub message: String,
}

impl FieldProblem {
    /// A problem with `field`; `message` states what is allowed.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Why an access token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request has no access token.
    Missing,
    /// The token is malformed or forged, or the request has two.
    Invalid,
    /// The token has expired: refresh it.
    Expired,
    /// The session has ended: sign in again.
    Revoked,
}

impl Refusal {
    /// The value of `reason` in error responses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Missing => "An access token is needed: send Authorization: Bearer <token>.",
            Self::Invalid => "The access token is not valid.",
            Self::Expired => "The access token has expired; refresh it.",
            Self::Revoked => "The session of this access token has ended; sign in again.",
        }
    }
}

impl Error {
    /// The stable code that clients branch on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "VALIDATION_FAILED",
            Self::BadRequest { .. } => "BAD_REQUEST",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::RefreshTokenInvalid => "REFRESH_TOKEN_INVALID",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::NotFound => "NOT_FOUND",
            Self::NextStep(challenge) => challenge.reason.code(),
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// The fields at fault; empty for most errors.
    #[must_use]
    pub fn fields(&self) -> &[FieldProblem] {
        if let Self::Validation(fields) | Self::BadRequest { fields, .. } = self {
            fields
        } else {
            &[]
        }
    }

    /// Seconds until a retry makes sense, rounded up, at least 1. `None` where waiting does not
    /// help.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        if let Self::RateLimited(after) | Self::Unavailable { retry_after: after, .. } = self {
            Some(whole_seconds(*after))
        } else {
            None
        }
    }

    /// The next step of a sign-in; `None` for every other error.
    #[must_use]
    pub fn challenge(&self) -> Option<&Challenge> {
        if let Self::NextStep(challenge) = self {
            Some(challenge)
        } else {
            None
        }
    }

    /// Why the access token was refused; `None` for every other error.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        if let Self::Unauthenticated(refusal) = self {
            Some(*refusal)
        } else {
            None
        }
    }

    /// A request of the wrong shape, where no single field is at fault.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::BadRequest {
            detail: detail.into(),
            fields: Vec::new(),
        }
    }

    /// A dependency that does not answer. Clients may retry after one second, because a
    /// dependency usually recovers without help.
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable {
            retry_after: Duration::from_secs(1),
            cause: cause.into(),
        }
    }

    /// A failure that should not happen.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }
}

/// Rounds up, so that a client that waits this long is not too early.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0 || span.is_zero())
}

/// A duration as a message names it: "a second" or "30 seconds".
pub(crate) fn seconds(span: Duration) -> String {
    match whole_seconds(span) {
        1 => "a second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

fn summary(problems: &[FieldProblem]) -> String {
    let clauses: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} {}", problem.field, problem.message))
        .collect();
    format!("{}.", clauses.join("; "))
}
