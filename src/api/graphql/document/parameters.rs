//! The parameters of a request, from a JSON body or from the query of a URL.

use async_graphql::Variables;
use serde_json::{Map, Value};

use crate::api::graphql::document::refusal::DocumentRefusal;
use crate::api::http::error::{ApiError, Result};
use crate::domain::Error;
use crate::domain::error::FieldProblem;

/// The parameters of a request (GraphQL over HTTP specification, "Request Parameters").
pub(crate) struct Parameters {
    pub(crate) query: String,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Variables,
}

impl Parameters {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// `BadRequest` if the body is no JSON object or a parameter has the wrong type; `Document` for
    /// a batch.
    pub(crate) fn from_body(bytes: &[u8]) -> Result<Self> {
        match serde_json::from_slice(bytes).map_err(|error| not_json(&error))? {
            Value::Object(members) => Self::from_members(members),
            Value::Array(_) => Err(DocumentRefusal::Batch.into()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(ApiError::bad_request("The body must be a JSON object."))
            }
        }
    }

    /// Reads the query of a URL, in which `variables` and `extensions` are JSON text.
    ///
    /// # Errors
    /// `BadRequest` if a parameter has the wrong type or is given twice.
    pub(crate) fn from_url_query(query: &str) -> Result<Self> {
        let mut members = Map::new();
        for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = match name.as_ref() {
                "variables" | "extensions" => {
                    serde_json::from_str(&text).map_err(|_| invalid(&name, "must be a JSON object"))?
                }
                _ => Value::String(text.into_owned()),
            };
            if members.insert(name.to_string(), value).is_some() {
                return Err(invalid(&name, "is given twice"));
            }
        }
        Self::from_members(members)
    }

    /// Ignores unknown members, as the specification requires. If a body has two members of one
    /// name, the JSON parser keeps the last one.
    fn from_members(mut members: Map<String, Value>) -> Result<Self> {
        let query = match members.remove("query") {
            Some(Value::String(query)) => query,
            Some(_) => return Err(invalid("query", "must be a string")),
            None => return Err(invalid("query", "is required")),
        };
        let operation_name = match members.remove("operationName") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(invalid("operationName", "must be a string")),
        };
        let variables = remove_object(&mut members, "variables")?;
        // Not used, but its type is checked.
        remove_object(&mut members, "extensions")?;
        Ok(Self {
            query,
            operation_name,
            variables: Variables::from_json(variables),
        })
    }
}

fn remove_object(members: &mut Map<String, Value>, name: &str) -> Result<Value> {
    let value = members.remove(name).unwrap_or_default();
    if value.is_null() || value.is_object() {
        Ok(value)
    } else {
        Err(invalid(name, "must be a JSON object"))
    }
}

fn invalid(parameter: &str, problem: &str) -> ApiError {
    let error = Error::BadRequest {
        detail: format!("The parameter {parameter} {problem}."),
        fields: vec![FieldProblem::new(parameter, problem)],
    };
    error.into()
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::bad_request(format!("The body is not JSON: see line {line}, column {column}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(parameters: Result<Parameters>) -> String {
        match parameters {
            Ok(Parameters {
                query,
                operation_name,
                variables,
            }) => format!("{query} {operation_name:?} {variables}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_body_is_an_object_with_members_of_the_right_types() {
        for (body, expected) in [
            (r#" {"query":"{a}"} "#, "{a} None {}"),
            (r#"{"query":"{\u0061}\n"}"#, "{a}\n None {}"),
            (
                r#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#,
                "{a} None {}",
            ),
            (
                r#"{"extensions":{"x":[1]},"variables":{"b":[1,-2,0.5,true,null],"a":{"c":"d"}},"operationName":"A","query":"{a}"}"#,
                r#"{a} Some("A") {a: {c: "d"}, b: [1, -2, 0.5, true, null]}"#,
            ),
            (r#"{"query":"{b}","query":"{a}","unknown":[{}]}"#, "{a} None {}"),
            ("[{}]", "Batches are not taken: send one request at a time."),
            ("{}", "The parameter query is required."),
            ("null", "The body must be a JSON object."),
            ("", "The body is not JSON: see line 1, column 0."),
            ("[", "The body is not JSON: see line 1, column 1."),
            (r#"{"query":"{a}"} x"#, "The body is not JSON: see line 1, column 17."),
            (r#"{"query":1"#, "The body is not JSON: see line 1, column 10."),
        ] {
            assert_eq!(outcome(Parameters::from_body(body.as_bytes())), expected, "{body}");
        }
    }

    #[test]
    fn the_error_names_a_member_of_the_wrong_type() {
        let values = ["1", "-1", "0.5", "true", "[[1]]", "null", r#""x""#, r#"{"x":{}}"#];
        for (name, valid, expected_type) in [
            ("query", vec![r#""x""#], "a string"),
            ("operationName", vec!["null", r#""x""#], "a string"),
            ("variables", vec!["null", r#"{"x":{}}"#], "a JSON object"),
            ("extensions", vec!["null", r#"{"x":{}}"#], "a JSON object"),
        ] {
            for value in values {
                let body = format!(r#"{{"query":"x","{name}":{value}}}"#);
                let message = format!("The parameter {name} must be {expected_type}.");
                let is_named = outcome(Parameters::from_body(body.as_bytes())) == message;
                assert_ne!(is_named, valid.contains(&value), "{body}");
            }
        }
    }

    #[test]
    fn a_url_query_has_the_same_parameters_as_text() {
        for (query, expected) in [
            ("query=%7Ba%7D&x=1", "{a} None {}"),
            (
                "query=%7Ba%7D&operationName=A&variables=%7B%22a%22:1%7D&extensions=null",
                r#"{a} Some("A") {a: 1}"#,
            ),
            ("", "The parameter query is required."),
            ("query=a&query=a", "The parameter query is given twice."),
            ("x=1&query=a&x=2", "The parameter x is given twice."),
            ("query=a&variables=", "The parameter variables must be a JSON object."),
            (
                "query=a&variables=%22b%22",
                "The parameter variables must be a JSON object.",
            ),
            (
                "query=a&extensions=%7B",
                "The parameter extensions must be a JSON object.",
            ),
        ] {
            assert_eq!(outcome(Parameters::from_url_query(query)), expected, "{query}");
        }
    }
}
