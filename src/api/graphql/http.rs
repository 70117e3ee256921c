//! GraphQL over HTTP, as the specification of that name (September 2025 draft) has it.
//!
//! The state reads and writes the bytes itself: async-graphql's own extractor takes `text/plain` bodies of any size and does not
//! negotiate the answer's media type.

use std::sync::Arc;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::graphiql;
use crate::api::graphql::document::{self, BoundedRequest, Documents, Parameters};
use crate::api::graphql::error::GraphqlError;
use crate::api::graphql::{Gateway, websocket};
use crate::api::http::request::BodyRules;
use crate::api::http::request_context::RequestContext;
use crate::api::http::response;
use crate::domain::Error;

/// The GraphQL engine and how it is shown.
pub(crate) struct GraphqlState {
    pub(crate) schema: Gateway,
    pub(crate) documents: Documents,
    pub(crate) bodies: BodyRules,
    pub(crate) sockets: websocket::Sockets,
    pub(crate) is_graphiql_on: bool,
}

/// The media types that an answer can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    /// `application/graphql-response+json`: a request that is not right is a 4xx.
    GraphqlResponse,
    /// `application/json`.
    Json,
}

impl Media {
    /// The status of a document that does not parse, validate or coerce. A client that asked for plain JSON may stand behind a proxy that
    /// makes its own answer of any 4xx, so the specification gives it 200.
    fn status_of_refusal(self) -> StatusCode {
        match self {
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }
}

/// `GET /graphql`: GraphiQL for a browser, else a query in the address.
pub(crate) async fn read(state: Arc<GraphqlState>, context: RequestContext, request: HttpRequest) -> Response {
    let headers = request.headers();
    if websocket::is_wanted(headers) {
        return match websocket::open(&state, context, request).await {
            Ok(response) => response,
            Err(error) => refuse(Media::Json, error),
        };
    }
    if state.is_graphiql_on && request.uri().query().is_none() && wants_page(headers) {
        return graphiql::page();
    }
    let Some(media) = negotiate(headers) else {
        return refuse(Media::Json, Error::NotAcceptable);
    };
    let parameters = match Parameters::from_url_query(request.uri().query().unwrap_or_default()) {
        Ok(parameters) => parameters,
        Err(error) => return refuse(media, error),
    };
    match state.documents.parse(parameters) {
        Ok(request) if request.operation_type() == Some(OperationType::Mutation) => {
            // A link or an image must not change anything.
            let mut response = refuse(media, Error::MethodNotAllowed);
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        }
        Ok(request) => execute(&state, context, media, request).await,
        Err(error) => reject(media, vec![error]),
    }
}

/// `POST /graphql`: a request in a JSON body.
pub(crate) async fn write(state: Arc<GraphqlState>, context: RequestContext, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = negotiate(&parts.headers) else {
        return refuse(Media::Json, Error::NotAcceptable);
    };
    let bytes = match state.bodies.read_json(&parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(error) => return refuse(media, error),
    };
    match Parameters::from_body(&bytes).map(|parameters| state.documents.parse(parameters)) {
        Ok(Ok(request)) => execute(&state, context, media, request).await,
        Ok(Err(error)) => reject(media, vec![error]),
        Err(error) => refuse(media, error),
    }
}

async fn execute(state: &GraphqlState, context: RequestContext, media: Media, request: BoundedRequest) -> Response {
    let request = match request.into_engine_request() {
        Ok(request) => request.data(context),
        Err(error) => return reject(media, vec![GraphqlError::from(error).into()]),
    };
    let response = state.schema.execute(request).await;
    let response = state.documents.sanitize_errors(response);
    if document::is_request_error(&response) {
        return reject(media, response.errors);
    }
    write_json(media, StatusCode::OK, &response)
}

/// The document does not parse or validate, or is too large: nothing was executed.
fn reject(media: Media, errors: Vec<ServerError>) -> Response {
    write_errors(media, media.status_of_refusal(), errors)
}

/// The whole request is refused, in the shape of a GraphQL answer.
fn refuse(media: Media, error: Error) -> Response {
    let status = response::status(&error);
    write_errors(media, status, vec![GraphqlError::from(error).into()])
}

/// An answer without `data`: nothing was executed.
fn write_errors(media: Media, status: StatusCode, errors: Vec<ServerError>) -> Response {
    #[derive(Serialize)]
    struct Errors {
        errors: Vec<ServerError>,
    }
    write_json(media, status, &Errors { errors })
}

fn write_json(media: Media, status: StatusCode, answer: &impl Serialize) -> Response {
    let body = match serde_json::to_vec(answer) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a GraphQL response could not be serialized");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let media = match media {
        Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        Media::Json => "application/json; charset=utf-8",
    };
    // An answer may hold tokens, which must not stay in any cache (RFC 6749 section 5.1).
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// The first media type in the client's list that we have; `application/json` for a client that does not say.
fn negotiate(headers: &HeaderMap) -> Option<Media> {
    let mut ranges = accepted(headers).peekable();
    if ranges.peek().is_none() {
        return Some(Media::Json);
    }
    ranges.find_map(|range| {
        let is = |name: &&str| range.eq_ignore_ascii_case(name);
        if is(&"application/graphql-response+json") {
            return Some(Media::GraphqlResponse);
        }
        let is_json = ["application/json", "application/*", "*/*"].iter().any(is);
        is_json.then_some(Media::Json)
    })
}

/// Whether the client is a browser that opens the address: it names HTML, before JSON if it names that at all.
fn wants_page(headers: &HeaderMap) -> bool {
    let is_html = |range: &str| range.eq_ignore_ascii_case("text/html");
    accepted(headers)
        .find(|range| is_html(range) || range.to_ascii_lowercase().contains("json"))
        .is_some_and(is_html)
}

/// The media ranges of `Accept` without their parameters; those with `q=0` are left out (RFC 9110 section 12.5.1).
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().filter(|media| !media.is_empty())?;
            let is_zero = |part: &str| {
                ["q=0", "q=0.0", "q=0.00", "q=0.000"]
                    .iter()
                    .any(|zero| part.eq_ignore_ascii_case(zero))
            };
            (!parts.any(is_zero)).then_some(media)
        })
}
