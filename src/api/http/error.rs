//! The errors that a client can get from either API: those of the service, and those that only
//! the transport can meet.

use std::error::Error as _;
use std::time::Duration;

use axum::http::StatusCode;

use crate::api::http::error_codes;
use crate::domain::Error;
use crate::domain::challenge::Challenge;
use crate::domain::error::{FieldProblem, Refusal, seconds};

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

/// Why a request was refused or failed.
///
/// Each variant has a code, which clients branch on, and a message that is safe to show. The HTTP
/// status follows from the code ([`error_codes`]).
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// An error of the service.
    #[error(transparent)]
    Service(#[from] Error),
    /// A GraphQL document is refused before anything of it is executed.
    #[error("{message}")]
    Document { code: &'static str, message: String },
    /// A page of an origin that may not do this.
    #[error("{0}")]
    ForbiddenOrigin(&'static str),
    #[error("There is nothing here.")]
    RouteNotFound,
    /// The route exists, for other methods.
    #[error("This route does not answer to that method.")]
    MethodNotAllowed,
    /// The body did not arrive within this time.
    #[error("The body took too long; it must come within {}.", seconds(*.0))]
    RequestTimeout(Duration),
    /// The body is larger than this many bytes.
    #[error("The body is too large; at most {0} bytes are read.")]
    PayloadTooLarge(usize),
    /// The body is not declared as JSON.
    #[error("The body must be JSON, sent as Content-Type: application/json.")]
    UnsupportedMediaType,
    /// The client accepts no media type that the API can produce.
    #[error("The answer is JSON; accept application/json.")]
    NotAcceptable,
}

impl ApiError {
    /// The stable code that clients branch on.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Service(error) => error.code(),
            Self::Document { code, .. } => code,
            Self::ForbiddenOrigin(_) => "FORBIDDEN",
            Self::RouteNotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::RequestTimeout(_) => "REQUEST_TIMEOUT",
            Self::PayloadTooLarge(_) => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        error_codes::status(self.code())
    }

    /// The fields at fault; empty for most errors.
    pub(crate) fn fields(&self) -> &[FieldProblem] {
        self.service_error().map(Error::fields).unwrap_or_default()
    }

    /// Seconds until a retry makes sense, rounded up, at least 1. `None` where waiting does not
    /// help.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.service_error()?.retry_after_seconds()
    }

    /// Why the access token was refused; `None` for every other error.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.service_error()?.refusal()
    }

    /// The next step of a sign-in; `None` for every other error.
    pub(crate) fn challenge(&self) -> Option<&Challenge> {
        self.service_error()?.challenge()
    }

    /// A failure of the gateway itself, which a client can report with the id of its request.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Self::Service(Error::Internal(_)))
    }

    /// A request of the wrong shape, where no single field is at fault.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Error::bad_request(detail).into()
    }

    /// Logs the cause of an error that an operator should know of. Mistakes of clients are not
    /// logged.
    pub(crate) fn log(&self) {
        let cause = self.source();
        if self.is_internal() {
            tracing::error!(cause, "internal error");
        } else if matches!(self, Self::Service(Error::Unavailable { .. })) {
            tracing::warn!(cause, "a dependency is not available");
        }
    }

    fn service_error(&self) -> Option<&Error> {
        if let Self::Service(error) = self {
            Some(error)
        } else {
            None
        }
    }
}
