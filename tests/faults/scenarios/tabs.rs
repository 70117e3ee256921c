//! Many tabs of one browser share a session and refresh it at the same moment.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::environment::Environment;
use crate::expected_state::{PASSWORD, Tokens};
use crate::record::Record;
use crate::report::Report;
use crate::request::Api;
use crate::rng::Rng;
use crate::servers::Deployment;

const TABS: usize = 64;

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let on_both = refresh_in_rounds(env, &deployment, "tabs: two nodes on PostgreSQL and Redis").await;
    drop(deployment);
    let deployment = Deployment::sqlite(env, &[]).await;
    refresh_in_rounds(env, &deployment, "tabs: one node on SQLite").await && on_both
}

/// The newest tokens of the session, which all tabs see, and the previous ones.
struct Browser {
    client: Client,
    nodes: Vec<SocketAddr>,
    newest: Tokens,
    previous: Option<Tokens>,
}

async fn refresh_in_rounds(env: &mut Environment, deployment: &Deployment, title: &str) -> bool {
    let record = env.new_record();
    let report = Report::new(&record, title);
    let rounds = env.times(100, 10);
    let mut browser = Browser::open(deployment, &record).await;
    for _ in 0..rounds {
        browser.round(&record, &mut env.rng).await;
    }
    let generations = browser.newest.generation - 1;
    record.require(
        "each round starts exactly one generation",
        u64::from(generations) == rounds as u64,
    );
    deployment.check_logs_and_transactions(&record).await;
    report
        .line("tabs", TABS)
        .line("rounds", rounds)
        .line("refreshes that succeeded", record.counted("refresh"))
        .line("  of these with the current token", record.counted("current"))
        .line("  of these with its predecessor, a moment late", record.counted("late"))
        .line("  refused", record.counted("refused"))
        .line("generations of the session", generations)
        .line("rounds in which the generations forked", record.counted("forks"))
        .line("access tokens that worked afterwards", record.counted("me"));
    report.print()
}

impl Browser {
    async fn open(deployment: &Deployment, record: &Arc<Record>) -> Self {
        let client = Client::new(record);
        let nodes = deployment.addresses();
        let request = Api::Rest.register("john.doe@example.com", "johndoe", PASSWORD);
        let answer = client.send_until_answered(&request, nodes[0]).await.done();
        Self {
            client,
            nodes,
            newest: Tokens::read(&answer.expect("an account can be registered")).unwrap(),
            previous: None,
        }
    }

    /// Some tabs that missed the last round first refresh with the previous token, and must get the
    /// newest one. Then all tabs refresh with the newest token. Afterwards the previous token would
    /// count as stolen.
    async fn round(&mut self, record: &Arc<Record>, rng: &mut Rng) {
        if let Some(previous) = self.previous.clone() {
            let late = rng.below(TABS / 4) + 1;
            let successors = self.refresh_at_once(&previous, late, record, rng).await;
            record.add("late", late as u64);
            if successors
                .iter()
                .any(|successor| successor.refresh != self.newest.refresh)
            {
                record.count("forks");
                record.violation("a late tab did not get the current token");
            }
        }
        let presented = self.newest.clone();
        let successors = self.refresh_at_once(&presented, TABS, record, rng).await;
        record.add("current", TABS as u64);
        let distinct: BTreeSet<&str> = successors.iter().map(|tokens| tokens.refresh.as_str()).collect();
        if distinct.len() != 1 || successors.iter().any(|new| new.generation != presented.generation + 1) {
            record.count("forks");
            record.violation(format!(
                "one token had {} successors, of generations {:?}",
                distinct.len(),
                successors.iter().map(|new| new.generation).collect::<BTreeSet<_>>()
            ));
        }
        if let Some(newest) = successors.last() {
            self.check_access_token(newest, record, rng).await;
            self.previous = Some(presented);
            self.newest = newest.clone();
        }
    }

    async fn refresh_at_once(&self, token: &Tokens, tabs: usize, record: &Arc<Record>, rng: &mut Rng) -> Vec<Tokens> {
        let start = Arc::new(Barrier::new(tabs));
        let mut answers = JoinSet::new();
        for tab in 0..tabs {
            let request = Api::of(tab).refresh(&token.refresh);
            let (client, node, start) = (self.client.clone(), *rng.pick(&self.nodes), start.clone());
            answers.spawn(async move {
                start.wait().await;
                client.send_until_answered(&request, node).await
            });
        }
        let mut successors = Vec::new();
        while let Some(outcome) = answers.join_next().await {
            match outcome.unwrap().done() {
                Ok(answer) => successors.push(Tokens::read(&answer).unwrap()),
                Err(what) => {
                    record.count("refused");
                    record.violation(format!("a tab's refresh: {what}"));
                }
            }
        }
        successors
    }

    async fn check_access_token(&self, tokens: &Tokens, record: &Record, rng: &mut Rng) {
        let request = Api::Rest.me(&tokens.access);
        let outcome = self.client.send_until_answered(&request, *rng.pick(&self.nodes)).await;
        if let Err(what) = outcome.done() {
            record.violation(format!("me with the newest access token: {what}"));
        }
    }
}
