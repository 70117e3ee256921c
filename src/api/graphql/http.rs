//! GraphQL over HTTP, as the specification of that name requires (draft of September 2025).
//!
//! The handlers read requests and write responses themselves: the extractor of async-graphql
//! accepts `text/plain` bodies of any size, and does not negotiate the media type of the response.

use std::sync::Arc;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::graphiql;
use crate::api::graphql::document::{self, BoundedRequest, Parameters};
use crate::api::graphql::error::GraphqlError;
use crate::api::graphql::state::GraphqlState;
use crate::api::graphql::websocket;
use crate::api::http::error::ApiError;
use crate::api::http::request_context::RequestContext;

/// The media type of a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MediaType {
    GraphqlResponse,
    Json,
}

impl MediaType {
    /// The status of a request error, such as a document that does not parse.
    ///
    /// The specification requires 200 for `application/json`, because such a client may be behind a
    /// proxy that replaces the body of any 4xx response.
    fn request_error_status(self) -> StatusCode {
        match self {
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// `GET /graphql`: a WebSocket, GraphiQL for a browser, or a query in the URL.
pub(crate) async fn handle_get(state: Arc<GraphqlState>, context: RequestContext, request: HttpRequest) -> Response {
    let headers = request.headers();
    if websocket::is_upgrade(headers) {
        return match websocket::upgrade(&state, context, request).await {
            Ok(response) => response,
            Err(error) => http_error(MediaType::Json, error),
        };
    }
    if state.is_graphiql_on && request.uri().query().is_none() && prefers_html(headers) {
        return graphiql::page();
    }
    let Some(media_type) = negotiate(headers) else {
        return http_error(MediaType::Json, ApiError::NotAcceptable);
    };
    let parameters = match Parameters::from_url_query(request.uri().query().unwrap_or_default()) {
        Ok(parameters) => parameters,
        Err(error) => return http_error(media_type, error),
    };
    match state.documents.parse(parameters) {
        Ok(request) if request.operation_type() == Some(OperationType::Mutation) => refuse_mutation(media_type),
        Ok(request) => execute(&state, context, media_type, request).await,
        Err(error) => request_error(media_type, vec![error]),
    }
}

/// `POST /graphql`: a request in a JSON body.
pub(crate) async fn handle_post(state: Arc<GraphqlState>, context: RequestContext, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media_type) = negotiate(&parts.headers) else {
        return http_error(MediaType::Json, ApiError::NotAcceptable);
    };
    let bytes = match state.bodies.read_json(&parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(error) => return http_error(media_type, error),
    };
    match Parameters::from_body(&bytes).map(|parameters| state.documents.parse(parameters)) {
        Ok(Ok(request)) => execute(&state, context, media_type, request).await,
        Ok(Err(error)) => request_error(media_type, vec![error]),
        Err(error) => http_error(media_type, error),
    }
}

async fn execute(
    state: &GraphqlState,
    context: RequestContext,
    media_type: MediaType,
    request: BoundedRequest,
) -> Response {
    let request = match request.into_engine_request() {
        Ok(request) => request.data(context),
        Err(error) => return request_error(media_type, vec![GraphqlError::from(error).into()]),
    };
    let response = state.schema.execute(request).await;
    let response = state.documents.sanitize_errors(response);
    if document::is_request_error(&response) {
        return request_error(media_type, response.errors);
    }
    json_response(media_type, StatusCode::OK, &response)
}

/// A mutation by GET is not executed: a link or an image on a foreign page could send it.
fn refuse_mutation(media_type: MediaType) -> Response {
    let mut response = http_error(media_type, ApiError::MethodNotAllowed);
    let allowed = HeaderValue::from_static("POST");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// The document is refused before its execution.
fn request_error(media_type: MediaType, errors: Vec<ServerError>) -> Response {
    error_response(media_type, media_type.request_error_status(), errors)
}

/// The HTTP request is refused, with a GraphQL response as its body.
fn http_error(media_type: MediaType, error: ApiError) -> Response {
    let status = error.status();
    error_response(media_type, status, vec![GraphqlError::from(error).into()])
}

/// A response without `data`, because nothing was executed.
fn error_response(media_type: MediaType, status: StatusCode, errors: Vec<ServerError>) -> Response {
    #[derive(Serialize)]
    struct Errors {
        errors: Vec<ServerError>,
    }
    json_response(media_type, status, &Errors { errors })
}

fn json_response(media_type: MediaType, status: StatusCode, response: &impl Serialize) -> Response {
    let body = match serde_json::to_vec(response) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a GraphQL response could not be serialized");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.header()),
        // Responses may contain tokens, which no cache may store (RFC 6749 section 5.1).
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

/// The first media type of `Accept` that the API supports; `application/json` without the header.
fn negotiate(headers: &HeaderMap) -> Option<MediaType> {
    let mut ranges = media_ranges(headers).peekable();
    if ranges.peek().is_none() {
        return Some(MediaType::Json);
    }
    ranges.find_map(|range| {
        let is = |name: &&str| range.eq_ignore_ascii_case(name);
        if is(&"application/graphql-response+json") {
            return Some(MediaType::GraphqlResponse);
        }
        let is_json = ["application/json", "application/*", "*/*"].iter().any(is);
        is_json.then_some(MediaType::Json)
    })
}

/// Whether the client is a browser that opens the URL: `Accept` names HTML, and not JSON before it.
fn prefers_html(headers: &HeaderMap) -> bool {
    let is_html = |range: &str| range.eq_ignore_ascii_case("text/html");
    media_ranges(headers)
        .find(|range| is_html(range) || range.to_ascii_lowercase().contains("json"))
        .is_some_and(is_html)
}

/// The media ranges of `Accept` without their parameters. A range with `q=0` is not acceptable, so
/// it is left out (RFC 9110 section 12.5.1).
fn media_ranges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().filter(|name| !name.is_empty())?;
            let is_zero = |part: &str| {
                ["q=0", "q=0.0", "q=0.00", "q=0.000"]
                    .iter()
                    .any(|zero| part.eq_ignore_ascii_case(zero))
            };
            (!parts.any(is_zero)).then_some(name)
        })
}
