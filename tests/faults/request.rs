//! Requests to either API, and the meaning of their answers.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Outcome, Refusal};

const UNAVAILABLE: &str = "UNAVAILABLE";
const PAYLOAD: &str = "{ token { access_token: accessToken refresh_token: refreshToken } user { uuid } }";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Rest,
    Graphql,
}

/// A request that can be sent repeatedly and to any node.
#[derive(Debug, Clone)]
pub struct Request {
    pub operation: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    bearer: Option<String>,
    /// The field of a GraphQL answer that corresponds to the body of a REST answer.
    field: Option<&'static str>,
}

/// The token that authenticates a logout.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    Access(&'a str),
    Refresh(&'a str),
}

impl Api {
    /// Half of the clients use REST, the other half GraphQL.
    pub fn of(number: usize) -> Self {
        if number.is_multiple_of(2) {
            Self::Rest
        } else {
            Self::Graphql
        }
    }

    pub fn register(self, email: &str, username: &str, password: &str) -> Request {
        let input = json!({"email": email, "username": username, "password": password});
        match self {
            Self::Rest => rest("register", Method::POST, "/auth/register").with_body(input),
            Self::Graphql => {
                let query = format!("mutation($input: RegisterInput!) {{ register(input: $input) {PAYLOAD} }}");
                graphql("register", "register", &query, &json!({ "input": input }))
            }
        }
    }

    pub fn login(self, email: &str, password: &str) -> Request {
        let input = json!({"email": email, "password": password});
        match self {
            Self::Rest => rest("login", Method::POST, "/auth/login").with_body(input),
            Self::Graphql => {
                let query = format!("mutation($input: LoginInput!) {{ login(input: $input) {PAYLOAD} }}");
                graphql("login", "login", &query, &json!({ "input": input }))
            }
        }
    }

    pub fn refresh(self, token: &str) -> Request {
        match self {
            Self::Rest => rest("refresh", Method::POST, "/auth/refresh").with_body(json!({ "refresh_token": token })),
            Self::Graphql => {
                let query = format!("mutation($token: String) {{ refreshToken(refreshToken: $token) {PAYLOAD} }}");
                graphql("refresh", "refreshToken", &query, &json!({ "token": token }))
            }
        }
    }

    pub fn me(self, access_token: &str) -> Request {
        let request = match self {
            Self::Rest => rest("me", Method::GET, "/auth/me"),
            Self::Graphql => graphql("me", "me", "{ me { uuid } }", &json!({})),
        };
        request.with_bearer(access_token)
    }

    /// `scope` is `current`, `others` or `all`.
    pub fn logout(self, proof: Proof, scope: &str) -> Request {
        let (bearer, token) = match proof {
            Proof::Access(token) => (Some(token), None),
            Proof::Refresh(token) => (None, Some(token)),
        };
        let request = match self {
            Self::Rest => {
                let mut body = json!({ "scope": scope });
                if let Some(token) = token {
                    body["refresh_token"] = token.into();
                }
                rest("logout", Method::POST, "/auth/logout").with_body(body)
            }
            Self::Graphql => {
                let scope = scope.to_uppercase();
                let query = format!("mutation($token: String) {{ logout(refreshToken: $token, scope: {scope}) }}");
                graphql("logout", "logout", &query, &json!({ "token": token }))
            }
        };
        bearer.map_or(request.clone(), |bearer| request.with_bearer(bearer))
    }

    pub fn sessions(self, access_token: &str) -> Request {
        let request = match self {
            Self::Rest => rest("sessions", Method::GET, "/auth/sessions"),
            Self::Graphql => graphql("sessions", "sessions", "{ sessions { id } }", &json!({})),
        };
        request.with_bearer(access_token)
    }

    pub fn end_session(self, access_token: &str, id: Uuid) -> Request {
        let request = match self {
            Self::Rest => rest("end session", Method::DELETE, &format!("/auth/sessions/{id}")),
            Self::Graphql => {
                let query = "mutation($id: ID!) { endSession(id: $id) }";
                graphql("end session", "endSession", query, &json!({ "id": id }))
            }
        };
        request.with_bearer(access_token)
    }
}

impl Request {
    pub fn prepare(&self, http: &reqwest::Client, node: SocketAddr) -> reqwest::RequestBuilder {
        let mut prepared = http.request(self.method.clone(), format!("http://{node}{}", self.path));
        if let Some(body) = &self.body {
            prepared = prepared.json(body);
        }
        if let Some(bearer) = &self.bearer {
            prepared = prepared.bearer_auth(bearer);
        }
        prepared
    }

    /// Classifies an answer.
    pub fn outcome(&self, status: u16, body: &Value) -> Outcome {
        if self.is_unavailable(body) {
            return Outcome::Unavailable;
        }
        let error = self.error(body);
        if let Some(code) = error["code"].as_str() {
            return Outcome::Refused(Refusal {
                code: code.to_owned(),
                reason: error["reason"].as_str().map(str::to_owned),
            });
        }
        if !(200..300).contains(&status) {
            return Outcome::Refused(Refusal {
                code: format!("{status} without a code: {body}"),
                reason: None,
            });
        }
        let data = self.field.map_or(body, |field| &body["data"][field]);
        Outcome::Done(data.clone())
    }

    /// Whether the answer is a 503.
    pub fn is_unavailable(&self, answer: &Value) -> bool {
        self.error(answer)["code"] == UNAVAILABLE
    }

    fn error<'a>(&self, answer: &'a Value) -> &'a Value {
        match self.field {
            Some(_) => &answer["errors"][0]["extensions"],
            None => answer,
        }
    }

    fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn with_bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }
}

fn rest(operation: &'static str, method: Method, path: &str) -> Request {
    Request {
        operation,
        method,
        path: path.to_owned(),
        body: None,
        bearer: None,
        field: None,
    }
}

fn graphql(operation: &'static str, field: &'static str, query: &str, variables: &Value) -> Request {
    Request {
        field: Some(field),
        body: Some(json!({"query": query, "variables": variables})),
        ..rest(operation, Method::POST, "/graphql")
    }
}
