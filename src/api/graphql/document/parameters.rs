//! The parameters of a request, from a body or an address: each of its type, and read straight into it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use async_graphql::{Name, Value as GraphqlValue, Variables};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use crate::domain::document_limits::DocumentRefusal;
use crate::domain::error::FieldProblem;
use crate::domain::{Error, Result};

/// What a client asks for, in its own words.
pub(crate) struct Parameters<'a> {
    pub(crate) query: Cow<'a, str>,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Variables,
}

impl<'a> Parameters<'a> {
    /// From a JSON body.
    ///
    /// # Errors
    /// `BadRequest` for what is no JSON object, or a parameter of the wrong type; `Document` for a batch.
    pub(crate) fn from_body(bytes: &'a [u8]) -> Result<Self> {
        let begins_with = bytes.trim_ascii_start().first();
        if begins_with == Some(&b'{') {
            let members: Members = serde_json::from_slice(bytes).map_err(|error| not_json(&error))?;
            return members.clear_if_rejected();
        }
        // Told apart from what is no JSON at all.
        let _: IgnoredAny = serde_json::from_slice(bytes).map_err(|error| not_json(&error))?;
        Err(match begins_with {
            Some(b'[') => Error::Document(DocumentRefusal::Batch),
            _ => Error::bad_request("The body must be a JSON object."),
        })
    }

    /// From the query of an address, where `variables` and `extensions` are JSON text.
    ///
    /// # Errors
    /// `BadRequest` for a parameter that is of the wrong type or given twice.
    pub(crate) fn from_address(query: &'a str) -> Result<Self> {
        let (mut members, mut names) = (Members::default(), HashSet::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "query" => members.query = Some(Member::Text(value)),
                "operationName" => members.operation_name = Some(Member::Text(value)),
                "variables" => members.variables = Some(from_text(&name, &value)?),
                "extensions" => members.extensions = Some(from_text(&name, &value)?),
                _ => {}
            }
            if let Some(name) = names.replace(name) {
                return Err(wrong(&name, "is given twice"));
            }
        }
        members.clear_if_rejected()
    }
}

/// The members that count; unknown ones are left alone, as the specification asks. Of two with one name the last one counts.
#[derive(Default)]
struct Members<'a> {
    query: Option<Member<'a>>,
    operation_name: Option<Member<'a>>,
    variables: Option<Member<'a>>,
    extensions: Option<Member<'a>>,
}

/// What a member holds.
enum Member<'a> {
    Null,
    Text(Cow<'a, str>),
    Object(BTreeMap<Name, GraphqlValue>),
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum MemberName {
    Query,
    OperationName,
    Variables,
    Extensions,
    #[serde(other)]
    Unknown,
}

impl<'a> Members<'a> {
    fn clear_if_rejected(self) -> Result<Parameters<'a>> {
        let query = match self.query {
            Some(Member::Text(query)) => query,
            Some(_) => return Err(wrong("query", "must be a string")),
            None => return Err(wrong("query", "is required")),
        };
        let operation_name = match self.operation_name {
            None | Some(Member::Null) => None,
            Some(Member::Text(name)) => Some(name.into_owned()),
            Some(_) => return Err(wrong("operationName", "must be a string")),
        };
        let variables = object("variables", self.variables)?;
        let _unused = object("extensions", self.extensions)?;
        Ok(Parameters {
            query,
            operation_name,
            variables,
        })
    }
}

fn object(name: &str, member: Option<Member<'_>>) -> Result<Variables> {
    let mut variables = Variables::default();
    match member {
        None | Some(Member::Null) => {}
        Some(Member::Object(members)) => *variables = members,
        Some(Member::Text(_) | Member::Other) => return Err(wrong(name, "must be a JSON object")),
    }
    Ok(variables)
}

fn from_text(name: &str, text: &str) -> Result<Member<'static>> {
    match serde_json::from_str(text) {
        Ok(Member::Null) => Ok(Member::Null),
        Ok(Member::Object(members)) => Ok(Member::Object(members)),
        Ok(Member::Text(_) | Member::Other) => Ok(Member::Other),
        Err(_) => Err(wrong(name, "must be a JSON object")),
    }
}

fn wrong(field: &str, message: &str) -> Error {
    Error::BadRequest {
        detail: format!("The parameter {field} {message}."),
        fields: vec![FieldProblem::new(field, message)],
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::bad_request(format!(
        "The body is not JSON: see line {}, column {}.",
        error.line(),
        error.column()
    ))
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key()? {
                    let member = match name {
                        MemberName::Query => &mut members.query,
                        MemberName::OperationName => &mut members.operation_name,
                        MemberName::Variables => &mut members.variables,
                        MemberName::Extensions => &mut members.extensions,
                        MemberName::Unknown => {
                            let _: IgnoredAny = map.next_value()?;
                            continue;
                        }
                    };
                    *member = Some(map.next_value()?);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Whatever the type: a wrong one is no fault of the JSON, and is judged when all of it has been read.
impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Member<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Self::Value, E> {
                Ok(Member::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Self::Value, E> {
                Ok(Member::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Self::Value, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Member::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Self::Value, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }

            fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
                Ok(Member::Null)
            }

            fn visit_bool<E>(self, _: bool) -> std::result::Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_i64<E>(self, _: i64) -> std::result::Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_u64<E>(self, _: u64) -> std::result::Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_f64<E>(self, _: f64) -> std::result::Result<Self::Value, E> {
                Ok(Member::Other)
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(parameters: Result<Parameters<'_>>) -> String {
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
    fn a_body_is_an_object_whose_members_have_their_types() {
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
            assert_eq!(said(Parameters::from_body(body.as_bytes())), expected, "{body}");
        }
    }

    #[test]
    fn a_member_of_the_wrong_type_is_named() {
        let others = ["1", "-1", "0.5", "true", "[[1]]", "null", r#""x""#, r#"{"x":{}}"#];
        for (name, right, kind) in [
            ("query", vec![r#""x""#], "a string"),
            ("operationName", vec!["null", r#""x""#], "a string"),
            ("variables", vec!["null", r#"{"x":{}}"#], "a JSON object"),
            ("extensions", vec!["null", r#"{"x":{}}"#], "a JSON object"),
        ] {
            for value in others {
                let body = format!(r#"{{"query":"x","{name}":{value}}}"#);
                let sentence = format!("The parameter {name} must be {kind}.");
                let is_named = said(Parameters::from_body(body.as_bytes())) == sentence;
                assert_ne!(is_named, right.contains(&value), "{body}");
            }
        }
    }

    #[test]
    fn an_address_holds_the_same_as_text() {
        for (address, expected) in [
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
            assert_eq!(said(Parameters::from_address(address)), expected, "{address}");
        }
    }
}
