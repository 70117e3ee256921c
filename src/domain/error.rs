//! The one table of failures, grouped by what a client can do next.
//!
//! Each variant has a stable code and a sentence that is safe to show. Causes are kept as sources for the log
//! and never reach a client. HTTP statuses and GraphQL shapes belong to the doors.

use std::error::Error as StdError;
use std::time::Duration;

use crate::domain::document_limits::DocumentRefusal;

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
    /// The request does not have the right shape; the problems name fields where there are any.
    #[error("{detail}")]
    BadRequest {
        /// What is wrong with the request as a whole.
        detail: String,
        /// The fields at fault; empty when the body could not be read at all.
        fields: Vec<FieldProblem>,
    },
    /// A GraphQL document is refused before anything of it is executed.
    #[error("{}", .0.sentence())]
    Document(DocumentRefusal),
    /// Wrong password or unknown account: one answer for both, so that it tells nothing.
    #[error("The e-mail, username or password is wrong.")]
    InvalidCredentials,
    /// No access token, or one that does not let anybody in.
    #[error("{}", .0.sentence())]
    Unauthenticated(Refusal),
    /// A refresh token that is malformed, forged or expired, or whose session has ended.
    #[error("The refresh token is not valid; sign in again.")]
    RefreshTokenInvalid,
    /// A rotated refresh token came back after its grace period; its session is over.
    #[error("The refresh token was used before; its session has been ended. Sign in again.")]
    RefreshTokenReused,
    /// The request is understood, and not allowed.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such route or thing.
    #[error("There is nothing here.")]
    NotFound,
    /// The route exists, for other methods.
    #[error("This route does not answer to that method.")]
    MethodNotAllowed,
    /// Another account has this e-mail.
    #[error("An account with this e-mail exists already.")]
    EmailTaken,
    /// Another account has this username.
    #[error("This username is taken.")]
    UsernameTaken,
    /// The body did not come within this time.
    #[error("The body took too long; it must come within {}.", seconds(*.0))]
    RequestTimeout(Duration),
    /// The body is over the limit, in bytes.
    #[error("The body is too large; at most {0} bytes are read.")]
    PayloadTooLarge(usize),
    /// The body is not declared as JSON.
    #[error("The body must be JSON, sent as Content-Type: application/json.")]
    UnsupportedMediaType,
    /// None of the media types that the client accepts can be produced.
    #[error("The answer is JSON; accept application/json.")]
    NotAcceptable,
    /// A limit was reached.
    #[error("Too many attempts; try again in {}.", seconds(*.0))]
    RateLimited(Duration),
    /// A dependency is down, or a queue is full.
    #[error("The service is not available right now; try again in {}.", seconds(*.retry_after))]
    Unavailable {
        /// When a retry is worth while.
        retry_after: Duration,
        /// What failed, for the log.
        #[source]
        cause: Cause,
    },
    /// Our fault.
    #[error("Something went wrong on our side.")]
    Internal(#[source] Cause),
}

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name as the service knows it (snake case); a door may spell it its own way.
    pub field: String,
    /// What is allowed, as a clause that follows the field's name.
    pub message: String,
}

impl FieldProblem {
    /// A problem with `field`, whose `message` says what is allowed.
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
    /// There was none.
    Missing,
    /// It is malformed or forged, or came twice.
    Invalid,
    /// Its time is over: refresh.
    Expired,
    /// Its session has ended: sign in again.
    Revoked,
}

impl Refusal {
    /// The value of `reason` in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    fn sentence(self) -> &'static str {
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
            Self::Document(refusal) => refusal.code(),
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::RefreshTokenInvalid => "REFRESH_TOKEN_INVALID",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::RequestTimeout(_) => "REQUEST_TIMEOUT",
            Self::PayloadTooLarge(_) => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
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

    /// In how many whole seconds a retry is worth while, at least 1; `None` where waiting does not help.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        if let Self::RateLimited(after) | Self::Unavailable { retry_after: after, .. } = self {
            Some(whole_seconds(*after))
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

    /// A request of the wrong shape that no single field is to blame for.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::BadRequest {
            detail: detail.into(),
            fields: Vec::new(),
        }
    }

    /// A dependency that does not answer. One second: it comes back by itself, and a client may ask again soon.
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

/// Rounded up: a client that comes back then is not too early.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0 || span.is_zero())
}

fn seconds(span: Duration) -> String {
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
