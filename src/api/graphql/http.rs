//! GraphQL over HTTP, as the specification of that name (September 2025 draft) has it.
//!
//! The door reads and writes the bytes itself: async-graphql's own extractor takes `text/plain` bodies of any size and does not
//! negotiate the answer's media type.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, ServerError, Value, Variables};
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::document::{Parsed, Rules};
use super::error::GraphqlError;
use super::{Gateway, websocket};
use crate::api::caller::Asker;
use crate::api::request::BodyRules;
use crate::api::{answer, graphiql};
use crate::domain::document::DocumentRefusal;
use crate::domain::error::FieldProblem;
use crate::domain::{Error, Result};

/// The GraphQL engine and how it is shown.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) schema: Gateway,
    pub(super) rules: Rules,
    pub(super) bodies: BodyRules,
    pub(super) sockets: websocket::Sockets,
    pub(super) is_graphiql_on: bool,
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
pub(super) async fn read(door: Door, asker: Asker, request: HttpRequest) -> Response {
    let headers = request.headers();
    if websocket::is_wanted(headers) {
        return match websocket::open(&door, asker, request).await {
            Ok(response) => response,
            Err(error) => refuse(Media::Json, error),
        };
    }
    if door.is_graphiql_on && request.uri().query().is_none() && wants_page(headers) {
        return graphiql::page();
    }
    let Some(media) = negotiate(headers) else {
        return refuse(Media::Json, Error::NotAcceptable);
    };
    let request = match from_address(request.uri().query().unwrap_or_default()) {
        Ok(request) => request,
        Err(error) => return refuse(media, error),
    };
    match door.rules.parse(request) {
        Ok(parsed) if parsed.kind() == Some(OperationType::Mutation) => {
            // A link or an image must not change anything.
            let mut response = refuse(media, Error::MethodNotAllowed);
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        }
        Ok(parsed) => execute(&door, asker, media, parsed).await,
        Err(error) => reject(media, vec![error]),
    }
}

/// `POST /graphql`: a request in a JSON body.
pub(super) async fn write(door: Door, asker: Asker, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = negotiate(&parts.headers) else {
        return refuse(Media::Json, Error::NotAcceptable);
    };
    let request = match door.bodies.read_json(&parts.headers, body).await {
        Ok(bytes) => from_body(&bytes),
        Err(error) => Err(error),
    };
    match request.map(|request| door.rules.parse(request)) {
        Ok(Ok(parsed)) => execute(&door, asker, media, parsed).await,
        Ok(Err(error)) => reject(media, vec![error]),
        Err(error) => refuse(media, error),
    }
}

async fn execute(door: &Door, asker: Asker, media: Media, parsed: Parsed) -> Response {
    let request = match door.rules.check(parsed) {
        Ok(request) => request,
        Err(error) => return reject(media, vec![GraphqlError::from(error).into()]),
    };
    let outcome = door.rules.tidied(door.schema.execute(request.data(asker)).await);
    // An error without a path is one of the request as a whole: nothing was executed.
    let is_refused = outcome.data == Value::Null && outcome.errors.iter().all(|error| error.path.is_empty());
    if is_refused && !outcome.errors.is_empty() {
        return reject(media, outcome.errors);
    }
    write_json(media, StatusCode::OK, &outcome)
}

/// The document does not parse or validate, or is too large: nothing was executed.
fn reject(media: Media, errors: Vec<ServerError>) -> Response {
    write_errors(media, media.status_of_refusal(), errors)
}

/// The whole request is refused, in the shape of a GraphQL answer.
fn refuse(media: Media, error: Error) -> Response {
    let status = answer::status(&error);
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
    let media = match media {
        Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        Media::Json => "application/json; charset=utf-8",
    };
    // An answer may hold tokens, which must not stay in any cache (RFC 6749 section 5.1).
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")];
    match serde_json::to_vec(answer) {
        Ok(body) => (status, headers, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "a GraphQL answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The first media type in the client's list that we have; `application/json` for a client that does not say.
fn negotiate(headers: &HeaderMap) -> Option<Media> {
    let mut ranges = accepted(headers).peekable();
    if ranges.peek().is_none() {
        return Some(Media::Json);
    }
    ranges.find_map(|range| match range.as_str() {
        "application/graphql-response+json" => Some(Media::GraphqlResponse),
        "application/json" | "application/*" | "*/*" => Some(Media::Json),
        _ => None,
    })
}

/// Whether the client is a browser that opens the address: it names HTML, before JSON if it names that at all.
fn wants_page(headers: &HeaderMap) -> bool {
    accepted(headers)
        .find(|range| range == "text/html" || range.contains("json"))
        .is_some_and(|range| range == "text/html")
}

/// The media ranges of `Accept` without their parameters; those with `q=0` are left out (RFC 9110 section 12.5.1).
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
            let media = parts.next().filter(|media| !media.is_empty())?;
            let is_refused = parts.any(|part| matches!(part.as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (!is_refused).then_some(media)
        })
}

pub(super) fn from_body(bytes: &[u8]) -> Result<Request> {
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(parameters)) => request(parameters),
        Ok(Json::Array(_)) => Err(Error::Document(DocumentRefusal::Batch)),
        Ok(_) => Err(Error::bad_request("The body must be a JSON object.")),
        Err(error) => Err(Error::bad_request(format!(
            "The body is not JSON: see line {}, column {}.",
            error.line(),
            error.column()
        ))),
    }
}

/// In an address, `variables` and `extensions` are JSON text.
pub(super) fn from_address(query: &str) -> Result<Request> {
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "variables" | "extensions" if !value.is_empty() => {
                serde_json::from_str(&value).map_err(|_| wrong(&name, "must be a JSON object"))?
            }
            _ => Json::String(value.into_owned()),
        };
        if parameters.insert(name.clone().into_owned(), value).is_some() {
            return Err(wrong(&name, "is given twice"));
        }
    }
    request(parameters)
}

/// The parameters of a request, each of its type; unknown ones are left alone, as the specification asks.
fn request(mut parameters: Map<String, Json>) -> Result<Request> {
    let query = match parameters.remove("query") {
        Some(Json::String(query)) => query,
        Some(_) => return Err(wrong("query", "must be a string")),
        None => return Err(wrong("query", "is required")),
    };
    let mut request = Request::new(query);
    match parameters.remove("operationName") {
        None | Some(Json::Null) => {}
        Some(Json::String(name)) => request = request.operation_name(name),
        Some(_) => return Err(wrong("operationName", "must be a string")),
    }
    match parameters.remove("variables") {
        None | Some(Json::Null) => {}
        Some(variables @ Json::Object(_)) => request = request.variables(Variables::from_json(variables)),
        Some(_) => return Err(wrong("variables", "must be a JSON object")),
    }
    match parameters.remove("extensions") {
        None | Some(Json::Null | Json::Object(_)) => Ok(request),
        Some(_) => Err(wrong("extensions", "must be a JSON object")),
    }
}

fn wrong(field: &str, message: &str) -> Error {
    Error::BadRequest {
        detail: format!("The parameter {field} {message}."),
        fields: vec![FieldProblem::new(field, message)],
    }
}
