//! The engine's own errors, in the form in which clients see them.

use async_graphql::{Pos, Response, ServerError, Value};

use crate::api::graphql::document::rules::DocumentRules;
use crate::api::graphql::error::add_code;

/// Most errors in one response. The engine repeats an error for each occurrence.
const MAX_ERRORS: usize = 10;

/// Whether the engine executed nothing: every error is a request error, which has no path
/// (GraphQL specification, section 7.1.2).
pub(crate) fn is_request_error(response: &Response) -> bool {
    let mut errors = response.errors.iter();
    response.data == Value::Null && !response.errors.is_empty() && errors.all(|error| error.path.is_empty())
}

/// The error for a text that does not parse. The parser's own message quotes the line, which may
/// contain a password.
pub(crate) fn syntax_error(position: Option<Pos>) -> ServerError {
    let place = position.map_or(String::new(), place);
    add_code(ServerError::new(
        format!("The document does not parse{place}."),
        position,
    ))
}

/// Limits the number of errors, gives each one a code, and hides the schema if introspection is
/// off.
pub(crate) fn sanitize(mut response: Response, rules: &DocumentRules) -> Response {
    response.errors.truncate(MAX_ERRORS);
    let errors = response.errors.into_iter();
    response.errors = errors.map(|error| add_code(hide_schema(error, rules))).collect();
    response
}

/// The engine's messages name types, fields and arguments that the client has not sent. A client
/// could reconstruct a hidden schema from them, so only the position stays. The gateway's own
/// errors have a code already and stay unchanged.
fn hide_schema(mut error: ServerError, rules: &DocumentRules) -> ServerError {
    let extensions = error.extensions.as_ref();
    let is_own_error = extensions.is_some_and(|extensions| extensions.get("code").is_some());
    if !is_own_error && !rules.is_introspection_on {
        error.message = match error.locations.first() {
            Some(position) => format!("The document does not fit the schema{}.", place(*position)),
            None => "The request does not fit the schema.".to_owned(),
        };
    }
    error
}

fn place(position: Pos) -> String {
    format!(": see line {}, column {}", position.line, position.column)
}
