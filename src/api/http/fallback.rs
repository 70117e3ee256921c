//! Responses where no handler is found.

use crate::api::http::error::ApiError;
use crate::api::http::problem::Problem;

/// No route has this path.
pub(crate) async fn route_not_found() -> Problem {
    ApiError::RouteNotFound.into()
}

/// The route exists, for other methods.
pub(crate) async fn method_not_allowed() -> Problem {
    ApiError::MethodNotAllowed.into()
}
