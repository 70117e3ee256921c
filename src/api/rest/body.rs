//! Reads JSON bodies, and names the field at fault where one has the wrong shape.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::api::http::problem::Problem;
use crate::api::state::ApiState;
use crate::domain::error::FieldProblem;
use crate::domain::{Error, Result};

/// A JSON body of exactly the shape of `T`.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The same, but the client may leave the body out.
pub(crate) struct OptionalJsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<ApiState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> std::result::Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = state.bodies.read_json(&parts.headers, body).await?;
        Ok(Self(parse(&bytes)?))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<ApiState> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> std::result::Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = state.bodies.read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, bytes.into());
        JsonBody::from_request(request, state)
            .await
            .map(|JsonBody(body)| Self(body))
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // serde would read an array as the fields in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Error::bad_request("The body must be a JSON object."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = field(&error);
        wrong_shape(error.inner(), field)
    })?;
    deserializer.end().map_err(|error| wrong_shape(&error, None))?;
    Ok(value)
}

/// Maps serde's messages to the API's own, which quote nothing from the body but the name of a
/// field.
fn wrong_shape(error: &serde_json::Error, field: Option<String>) -> Error {
    if !error.is_data() {
        return Error::bad_request(format!(
            "The body is not JSON: see line {}, column {}.",
            error.line(),
            error.column()
        ));
    }
    let Some(field) = field else {
        return Error::bad_request("The body must be a JSON object.");
    };
    let text = error.to_string();
    let message = if text.starts_with("missing field") {
        "is required"
    } else if text.starts_with("unknown field") {
        "is not a field of this request"
    } else if text.starts_with("duplicate field") {
        "is given twice"
    } else if text.starts_with("must be") {
        // From a `TryFrom` of the API; serde appends the position.
        text.split(" at line ").next().unwrap_or_default()
    } else {
        "must be a string"
    };
    Error::BadRequest {
        detail: format!("The field {field} {message}."),
        fields: vec![FieldProblem::new(field, message)],
    }
}

/// The field at fault: its path for a wrong value. For a missing, unknown or duplicate field, its
/// name from serde's message.
fn field(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<String> {
    let text = error.inner().to_string();
    let is_about_name = ["missing field", "unknown field", "duplicate field"]
        .iter()
        .any(|start| text.starts_with(start));
    if is_about_name {
        return text.split('`').nth(1).map(|name| name.chars().take(64).collect());
    }
    let path = error.path().to_string();
    (path != ".").then_some(path)
}
