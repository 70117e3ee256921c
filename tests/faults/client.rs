//! A client of the gateway: requests at either door, and what came of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::record::Record;

/// How long a request is repeated where no answer but 503 comes.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two tries.
const REST: Duration = Duration::from_millis(100);

const UNAVAILABLE: &str = "UNAVAILABLE";
const PAYLOAD: &str = "{ token { access_token: accessToken refresh_token: refreshToken } user { uuid } }";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Rest,
    Graphql,
}

/// A request that can be sent again, to any node.
#[derive(Debug, Clone)]
pub struct Request {
    pub operation: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    bearer: Option<String>,
    /// The field of a GraphQL answer that holds what REST has as its body.
    field: Option<&'static str>,
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Acknowledged, with the answer in REST's spelling.
    Done(Value),
    /// Answered, and refused.
    Refused(Refusal),
    /// Answered with 503: whether it was done is not known.
    Unavailable,
    /// Not answered: whether it was done is not known.
    Lost(String),
}

impl Outcome {
    /// The answer, where it must be a success; else what came instead.
    pub fn done(self) -> Result<Value, String> {
        if let Self::Done(answer) = self {
            return Ok(answer);
        }
        Err(format!("{self:?} came instead of success"))
    }

    /// The refusal, where there must be one.
    pub fn refused(self) -> Result<Refusal, String> {
        if let Self::Refused(refusal) = self {
            return Ok(refusal);
        }
        Err(format!("{self:?} came instead of a refusal"))
    }

    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: String,
    pub reason: Option<String>,
}

/// Whose session asks: by its access token or by its refresh token.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    Access(&'a str),
    Refresh(&'a str),
}

impl Door {
    /// Half of the clients use one door, half the other.
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
    /// Whether an answer to it says 503.
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

/// Sends requests and records how they were answered.
#[derive(Clone)]
pub struct Client {
    pub record: Arc<Record>,
    http: reqwest::Client,
}

impl Client {
    pub fn new(record: &Arc<Record>) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(record.cap)
            .build()
            .unwrap();
        Self {
            http,
            record: record.clone(),
        }
    }

    pub async fn send(&self, request: &Request, node: SocketAddr) -> Outcome {
        let mut prepared = self
            .http
            .request(request.method.clone(), format!("http://{node}{}", request.path));
        if let Some(body) = &request.body {
            prepared = prepared.json(body);
        }
        if let Some(bearer) = &request.bearer {
            prepared = prepared.bearer_auth(bearer);
        }
        let started = Instant::now();
        match answer(prepared).await {
            Ok((status, body)) => {
                self.record.answered(request.operation, started.elapsed());
                self.judge(request, status, &body)
            }
            Err(error) if error.is_timeout() => {
                let operation = request.operation;
                self.record.answered(operation, started.elapsed());
                self.record
                    .violation(format!("{operation} at {node}: no answer within {:?}", self.record.cap));
                Outcome::Lost("no answer in time".to_owned())
            }
            Err(error) => {
                self.record.count("cut");
                Outcome::Lost(format!("{error:?}").chars().take(160).collect())
            }
        }
    }

    /// Again and again for as long as the answer is 503: where nothing is down, the machine has too much to do.
    pub async fn send_until_answered(&self, request: &Request, node: SocketAddr) -> Outcome {
        let started = Instant::now();
        loop {
            let outcome = self.send(request, node).await;
            if !outcome.is_unavailable() || started.elapsed() > PATIENCE {
                return outcome;
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// The same for a client that goes away before the answer comes, if that takes longer than its patience.
    pub async fn send_and_hang_up(&self, request: &Request, node: SocketAddr, patience: Duration) -> Outcome {
        let sent = tokio::time::timeout(patience, self.send(request, node)).await;
        sent.unwrap_or_else(|_| {
            self.record.count("hung up");
            Outcome::Lost(format!("hung up after {patience:?}"))
        })
    }

    /// The body of any address, if it is answered.
    pub async fn look(&self, node: SocketAddr, path: &str) -> Option<(u16, Value)> {
        answer(self.http.get(format!("http://{node}{path}"))).await.ok()
    }

    fn judge(&self, request: &Request, status: u16, body: &Value) -> Outcome {
        let error = request.error(body);
        if let Some(code) = error["code"].as_str() {
            if code == UNAVAILABLE {
                self.record.count("503");
                return Outcome::Unavailable;
            }
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
        self.record.count(request.operation);
        let data = request.field.map_or(body, |field| &body["data"][field]);
        Outcome::Done(data.clone())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
