//! An old refresh token is used after its grace period, as an attacker would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::{Client, Refusal};
use crate::environment::Environment;
use crate::expected_state::{PASSWORD, Tokens};
use crate::record::Record;
use crate::report::Report;
use crate::request::{Api, Request};
use crate::servers::Deployment;

const SHORT_GRACE: &str = "--refresh-grace=1s";
const LONGER_THAN_GRACE: Duration = Duration::from_millis(1300);
/// On an overloaded machine a store may seem down for a moment, which pauses the grace period. The
/// attempt is then repeated, this many times at most.
const ATTEMPTS: usize = 10;
/// A slower answer may have met a store that seemed down.
const SLOW: Duration = Duration::from_millis(400);

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[SHORT_GRACE]).await;
    let on_both = reuse_old_tokens(env, &deployment, "reuse: two nodes on PostgreSQL and Redis").await;
    drop(deployment);
    let deployment = Deployment::sqlite(env, &[SHORT_GRACE]).await;
    reuse_old_tokens(env, &deployment, "reuse: one node on SQLite").await && on_both
}

async fn reuse_old_tokens(env: &mut Environment, deployment: &Deployment, title: &str) -> bool {
    let record = env.new_record();
    let report = Report::new(&record, title);
    let sessions = env.times(20, 5);
    let mut missing = sessions;
    for attempt in 0..ATTEMPTS {
        let mut victims = JoinSet::new();
        for number in 0..missing {
            let mut nodes = deployment.addresses();
            nodes.rotate_left(number % deployment.nodes.len());
            victims.spawn(Victim::new(attempt * sessions + number, nodes, &record).run());
        }
        for (session, outcome) in victims.join_all().await {
            let is_overloaded = deployment.warnings() > 0 || record.slowest().took > SLOW;
            match outcome {
                Err(_) if is_overloaded => {}
                Err(violation) => {
                    record.violation(format!("session {session}: {violation}"));
                    missing -= 1;
                }
                Ok(()) => {
                    read_audit_log(deployment, &session, &record);
                    missing -= 1;
                }
            }
        }
    }
    record.require("tokens are reused", record.counted("reused") == sessions as u64);
    report
        .line("old tokens presented after the grace period", sessions)
        .line("sessions ended with REFRESH_TOKEN_REUSED", record.counted("reused"))
        .line("audit lines refresh_token_reused", record.counted("audit lines"))
        .line(
            "other sessions of these accounts that still work",
            record.counted("still valid"),
        );
    report.print()
}

fn read_audit_log(deployment: &Deployment, session: &str, record: &Record) {
    let lines = deployment
        .nodes
        .iter()
        .flat_map(|node| node.audit("refresh_token_reused"));
    let lines = lines.filter(|line| line["session"] == session).count();
    record.add("audit lines", lines as u64);
    if lines != 1 {
        record.violation(format!(
            "session {session} has {lines} audit lines refresh_token_reused, not one"
        ));
    }
}

/// An account with three sessions. The token of one of them is stolen.
struct Victim {
    api: Api,
    client: Client,
    nodes: Vec<SocketAddr>,
    number: usize,
    record: Arc<Record>,
}

impl Victim {
    fn new(number: usize, nodes: Vec<SocketAddr>, record: &Arc<Record>) -> Self {
        Self {
            api: Api::of(number),
            client: Client::new(record),
            nodes,
            number,
            record: record.clone(),
        }
    }

    async fn run(self) -> (String, Result<(), String>) {
        let username = format!("john{}", self.number);
        let email = format!("{username}@example.com");
        let stolen = self.tokens(self.api.register(&email, &username, PASSWORD)).await;
        let stolen = stolen.expect("an account can be registered");
        (stolen.session.to_string(), self.reuse_old_token(&email, &stolen).await)
    }

    async fn reuse_old_token(&self, email: &str, old: &Tokens) -> Result<(), String> {
        let mut others = Vec::new();
        for _ in 0..2 {
            others.push(self.tokens(self.api.login(email, PASSWORD)).await?);
        }
        let new = self.tokens(self.api.refresh(&old.refresh)).await?;
        tokio::time::sleep(LONGER_THAN_GRACE).await;
        self.refused(&self.api.refresh(&old.refresh), "REFRESH_TOKEN_REUSED", None)
            .await?;
        for token in [&old.refresh, &new.refresh] {
            self.refused(&self.api.refresh(token), "REFRESH_TOKEN_INVALID", None)
                .await?;
        }
        for token in [&old.access, &new.access] {
            self.refused(&self.api.me(token), "UNAUTHENTICATED", Some("revoked"))
                .await?;
        }
        self.record.count("reused");
        for other in others {
            let renewed = self.tokens(self.api.refresh(&other.refresh)).await?;
            self.done(&self.api.me(&renewed.access)).await?;
            self.record.count("still valid");
        }
        Ok(())
    }

    async fn tokens(&self, request: Request) -> Result<Tokens, String> {
        Tokens::read(&self.done(&request).await?)
    }

    async fn done(&self, request: &Request) -> Result<serde_json::Value, String> {
        let outcome = self.client.send_until_answered(request, self.nodes[0]).await;
        outcome
            .done()
            .map_err(|error| format!("{}: {error}", request.operation))
    }

    /// Expects a refusal at every node.
    async fn refused(&self, request: &Request, code: &str, reason: Option<&str>) -> Result<(), String> {
        let expected = Refusal {
            code: code.to_owned(),
            reason: reason.map(str::to_owned),
        };
        // The reuse itself is reported once. Its effect must be known at every node.
        let checked_nodes = if code == "REFRESH_TOKEN_REUSED" {
            1
        } else {
            self.nodes.len()
        };
        for node in &self.nodes[..checked_nodes] {
            let refusal = self.client.send(request, *node).await.refused()?;
            if refusal != expected {
                return Err(format!("{} is answered {refusal}, not {expected}", request.operation));
            }
        }
        Ok(())
    }
}
