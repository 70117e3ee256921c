//! Sends requests to the gateway and classifies the responses.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::record::Record;
use crate::request::Request;

/// How long a request is repeated while every response is a 503.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The outcome of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Acknowledged. GraphQL answers are converted to the field names of REST.
    Done(Value),
    /// Answered with an error.
    Refused(Refusal),
    /// Answered with 503. The gateway may or may not have executed the request.
    Unavailable,
    /// Not answered. The gateway may or may not have executed the request.
    Lost(String),
}

impl Outcome {
    /// The answer of a success. Anything else is an error.
    pub fn done(self) -> Result<Value, String> {
        if let Self::Done(answer) = self {
            return Ok(answer);
        }
        Err(format!("{self} instead of a success"))
    }

    /// The refusal. Anything else is an error.
    pub fn refused(self) -> Result<Refusal, String> {
        if let Self::Refused(refusal) = self {
            return Ok(refusal);
        }
        Err(format!("{self} instead of a refusal"))
    }

    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(_) => f.write_str("success"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unavailable => f.write_str("503"),
            Self::Lost(why) => f.write_str(why),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: String,
    pub reason: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{} ({reason})", self.code),
            None => f.write_str(&self.code),
        }
    }
}

/// Sends requests and records their latencies and outcomes.
#[derive(Clone)]
pub struct Client {
    pub record: Arc<Record>,
    http: reqwest::Client,
}

impl Client {
    pub fn new(record: &Arc<Record>) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(record.max_latency)
            .build()
            .unwrap();
        Self {
            http,
            record: record.clone(),
        }
    }

    pub async fn send(&self, request: &Request, node: SocketAddr) -> Outcome {
        let prepared = request.prepare(&self.http, node);
        let started = Instant::now();
        match answer(prepared).await {
            Ok((status, body)) => {
                self.record.record_latency(request.operation, started.elapsed());
                self.classify(request, status, &body)
            }
            Err(error) if error.is_timeout() => {
                let operation = request.operation;
                self.record.record_latency(operation, started.elapsed());
                self.record.violation(format!(
                    "{operation} at {node}: no answer within {:?}",
                    self.record.max_latency
                ));
                Outcome::Lost("no answer in time".to_owned())
            }
            Err(error) => {
                self.record.count("cut");
                Outcome::Lost(format!("{error:?}").chars().take(160).collect())
            }
        }
    }

    /// Repeats the request while the answer is 503. For scenarios in which no server is down:
    /// there, a 503 means that the machine is overloaded.
    pub async fn send_until_answered(&self, request: &Request, node: SocketAddr) -> Outcome {
        let started = Instant::now();
        loop {
            let outcome = self.send(request, node).await;
            if !outcome.is_unavailable() || started.elapsed() > TIMEOUT {
                return outcome;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Sends a request like `send`, but closes the connection if no answer comes within `timeout`.
    pub async fn send_and_hang_up(&self, request: &Request, node: SocketAddr, timeout: Duration) -> Outcome {
        let sent = tokio::time::timeout(timeout, self.send(request, node)).await;
        sent.unwrap_or_else(|_| {
            self.record.count("hung up");
            Outcome::Lost(format!("connection closed by the client after {timeout:?}"))
        })
    }

    /// Status and JSON body of a `GET`, if there is an answer.
    pub async fn get(&self, node: SocketAddr, path: &str) -> Option<(u16, Value)> {
        answer(self.http.get(format!("http://{node}{path}"))).await.ok()
    }

    fn classify(&self, request: &Request, status: u16, body: &Value) -> Outcome {
        let outcome = request.outcome(status, body);
        match &outcome {
            Outcome::Done(_) => self.record.count(request.operation),
            Outcome::Unavailable => self.record.count("503"),
            Outcome::Refused(_) | Outcome::Lost(_) => {}
        }
        outcome
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
