//! From a domain error to a GraphQL error: the only place of this state that shapes errors.
//!
//! `GraphqlError` must not implement `Display`: async-graphql turns every `Display` error into one without extensions, and `?` in a
//! resolver would drop the code silently.

use async_graphql::{Context, ErrorExtensionValues, ServerError, Value};

use crate::api::http::{request, response};
use crate::domain::Error;
use crate::domain::error::FieldProblem;

/// An error on its way out of this state.
#[derive(Debug)]
pub(crate) struct GraphqlError(Error);

impl From<Error> for GraphqlError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<GraphqlError> for async_graphql::Error {
    fn from(GraphqlError(error): GraphqlError) -> Self {
        response::log(&error);
        Self {
            message: message(&error),
            source: None,
            extensions: Some(extensions(&error)),
        }
    }
}

impl From<GraphqlError> for ServerError {
    /// For a request as a whole: there is no place in a document to point to.
    fn from(error: GraphqlError) -> Self {
        let async_graphql::Error {
            message, extensions, ..
        } = error.into();
        Self {
            extensions,
            ..Self::new(message, None)
        }
    }
}

/// Null in place of a field that may be null, with the error beside it. Returned as an error, it would take the rest of the answer along.
pub(crate) fn null_with<T>(context: &Context<'_>, error: Error) -> Option<T> {
    let error = async_graphql::Error::from(GraphqlError(error)).into_server_error(context.item.pos);
    context.add_error(context.set_error_path(error));
    None
}

/// Adds the code `BAD_REQUEST` to an error of the engine itself, which has no code.
pub(crate) fn add_code(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", Error::bad_request("").code());
    }
    error
}

fn extensions(error: &Error) -> ErrorExtensionValues {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", error.code());
    if !error.fields().is_empty() {
        let fields = error.fields().iter().map(|problem| {
            async_graphql::value!({ "field": camel_case(&problem.field), "message": problem.message.clone() })
        });
        extensions.set("fields", Value::List(fields.collect()));
    }
    if let Some(refusal) = error.refusal() {
        extensions.set("reason", refusal.as_str());
    }
    if let Some(seconds) = error.retry_after_seconds() {
        extensions.set("retryAfter", seconds);
    }
    if let (Error::Internal(_), Some(id)) = (error, request::current_id()) {
        extensions.set("requestId", id);
    }
    extensions
}

/// The sentence, with the fields in this state's spelling.
fn message(error: &Error) -> String {
    if error.fields().is_empty() {
        return error.to_string();
    }
    let camel = |problem: &FieldProblem| FieldProblem::new(camel_case(&problem.field), problem.message.clone());
    let problems: Vec<FieldProblem> = error.fields().iter().map(camel).collect();
    Error::Validation(problems).to_string()
}

/// `refresh_token` is `refreshToken` at this state.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        name + &initial.to_ascii_uppercase() + rest
    })
}
