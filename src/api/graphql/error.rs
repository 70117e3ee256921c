//! From an error to a GraphQL error.
//!
//! `GraphqlError` must not implement `Display`: async-graphql converts every `Display` error into
//! one without extensions, so `?` in a resolver would silently drop the code.

use async_graphql::{Context, ErrorExtensionValues, ServerError, Value};

use crate::api::http::error::ApiError;
use crate::api::http::request_id;
use crate::domain::Error;
use crate::domain::error::FieldProblem;

#[derive(Debug)]
pub(crate) struct GraphqlError(ApiError);

impl From<ApiError> for GraphqlError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Error> for GraphqlError {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<GraphqlError> for async_graphql::Error {
    fn from(GraphqlError(error): GraphqlError) -> Self {
        error.log();
        Self {
            message: message(&error),
            source: None,
            extensions: Some(extensions(&error)),
        }
    }
}

impl From<GraphqlError> for ServerError {
    /// A request error: it has no position in the document and no path.
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

/// Null for a nullable field, with the error in `errors`. The engine would propagate an `Err` of
/// the resolver to the parent even though the field is nullable, and lose the rest of the response.
pub(crate) fn null_with<T>(context: &Context<'_>, error: Error) -> Option<T> {
    let error = async_graphql::Error::from(GraphqlError::from(error)).into_server_error(context.item.pos);
    context.add_error(context.set_error_path(error));
    None
}

/// Adds the code `BAD_REQUEST` to an error of the engine itself, which has no code.
pub(crate) fn add_code(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", ApiError::bad_request("").code());
    }
    error
}

fn extensions(error: &ApiError) -> ErrorExtensionValues {
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
    if let Some(challenge) = error.challenge() {
        let methods = challenge.methods.iter();
        let methods = methods.map(|method| Value::from(method.as_str().to_ascii_uppercase()));
        extensions.set("challenge", challenge.token.expose());
        extensions.set("methods", Value::List(methods.collect()));
        extensions.set("expiresIn", challenge.expires_in.as_secs());
    }
    if let Some(seconds) = error.retry_after_seconds() {
        extensions.set("retryAfter", seconds);
    }
    if let (true, Some(id)) = (error.is_internal(), request_id::current_id()) {
        extensions.set("requestId", id);
    }
    extensions
}

/// The message, with the field names in camel case.
fn message(error: &ApiError) -> String {
    if error.fields().is_empty() {
        return error.to_string();
    }
    let camel = |problem: &FieldProblem| FieldProblem::new(camel_case(&problem.field), problem.message.clone());
    let problems: Vec<FieldProblem> = error.fields().iter().map(camel).collect();
    Error::Validation(problems).to_string()
}

/// `refresh_token` is `refreshToken` in GraphQL.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        name + &initial.to_ascii_uppercase() + rest
    })
}
