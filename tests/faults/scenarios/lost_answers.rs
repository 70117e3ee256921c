//! The answers to refreshes are lost after the gateway has executed them.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::environment::Environment;
use crate::expected_state::{PASSWORD, Tokens};
use crate::lossy_proxy::LossyProxy;
use crate::record::Record;
use crate::report::Report;
use crate::request::{Api, Request};
use crate::rng::Rng;
use crate::servers::Deployment;

const CLIENTS: usize = 4;
/// A retry may lose its answer too.
const MAX_LOSSES: usize = 3;

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let on_both = lose_answers(env, &deployment, "lost-answers: two nodes on PostgreSQL and Redis").await;
    drop(deployment);
    let deployment = Deployment::sqlite(env, &[]).await;
    lose_answers(env, &deployment, "lost-answers: one node on SQLite").await && on_both
}

async fn lose_answers(env: &mut Environment, deployment: &Deployment, title: &str) -> bool {
    let record = env.new_record();
    let report = Report::new(&record, title);
    let refreshes = env.times(1000, 100);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = RetryingClient::register(number, &deployment.addresses(), &record, env.rng.fork()).await;
        clients.spawn(client.lose_and_retry_repeatedly(refreshes / CLIENTS));
    }
    for has_finished in clients.join_all().await {
        record.require("every client finishes", has_finished);
    }
    record.require("answers are lost", record.counted("refreshes") == refreshes as u64);
    deployment.check_logs_and_transactions(&record).await;
    report
        .line("refreshes whose answer was lost", record.counted("refreshes"))
        .line("lost answers, including those of retries", record.counted("lost"))
        .line("retries that returned the lost token", record.counted("same token"))
        .line("sessions that continued afterwards", record.counted("continued"))
        .line("access tokens that worked", record.counted("me"));
    report.print()
}

/// A client with a lossy proxy to each node. It retries lost requests.
struct RetryingClient {
    api: Api,
    client: Client,
    proxies: Vec<LossyProxy>,
    record: Arc<Record>,
    rng: Rng,
    tokens: Tokens,
}

impl RetryingClient {
    async fn register(number: usize, nodes: &[SocketAddr], record: &Arc<Record>, rng: Rng) -> Self {
        let mut proxies = Vec::new();
        for node in nodes {
            proxies.push(LossyProxy::to(*node).await);
        }
        let (api, client) = (Api::of(number), Client::new(record));
        let username = format!("john{number}");
        let request = api.register(&format!("{username}@example.com"), &username, PASSWORD);
        let answer = client.send_until_answered(&request, nodes[0]).await.done();
        Self {
            api,
            client,
            proxies,
            record: record.clone(),
            rng,
            tokens: Tokens::read(&answer.expect("an account can be registered")).unwrap(),
        }
    }

    /// Returns whether every refresh succeeded in the end.
    async fn lose_and_retry_repeatedly(mut self, times: usize) -> bool {
        for _ in 0..times {
            if let Err(violation) = self.lose_and_retry().await {
                let (session, generation) = (self.tokens.session, self.tokens.generation);
                self.record
                    .violation(format!("session {session}, generation {generation}: {violation}"));
                return false;
            }
        }
        true
    }

    /// One refresh that loses one to three answers. The next retry must return the lost token.
    async fn lose_and_retry(&mut self) -> Result<(), String> {
        let presented = self.tokens.clone();
        let losses = self.rng.below(MAX_LOSSES) + 1;
        let mut lost = Vec::new();
        for _ in 0..losses {
            lost.push(self.refresh_and_lose(&presented).await?);
            self.record.count("lost");
        }
        self.record.count("refreshes");
        let retried = self.refresh(&presented).await?;
        if lost.iter().any(|lost| lost.refresh != retried.refresh) {
            return Err("a retry returned another token than the lost one".to_owned());
        }
        self.record.count("same token");
        let next = self.refresh(&retried).await?;
        if next.generation != presented.generation + 2 {
            return Err(format!("the next refresh returned generation {}", next.generation));
        }
        self.record.count("continued");
        let me = self.api.me(&lost[0].access);
        self.client
            .send_until_answered(&me, self.proxies[0].address)
            .await
            .done()?;
        self.tokens = next;
        Ok(())
    }

    async fn refresh_and_lose(&mut self, tokens: &Tokens) -> Result<Tokens, String> {
        let request = self.api.refresh(&tokens.refresh);
        loop {
            let body = self.lose_the_answer(&request).await?;
            if !request.is_unavailable(&body) {
                return Tokens::read(body.get("data").map_or(&body, |data| &data["refreshToken"]));
            }
        }
    }

    /// Returns the answer that the client did not get.
    async fn lose_the_answer(&mut self, request: &Request) -> Result<Value, String> {
        let proxy = self.rng.below(self.proxies.len());
        let proxy = &mut self.proxies[proxy];
        proxy.lose(1);
        let outcome = self.client.send(request, proxy.address).await;
        if !outcome.is_lost() {
            return Err(format!("the proxy did not drop the answer: {outcome:?}"));
        }
        let bodies = proxy.lost();
        let [body] = bodies.as_slice() else {
            return Err(format!("{} answers were lost, not one", bodies.len()));
        };
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }

    async fn refresh(&mut self, tokens: &Tokens) -> Result<Tokens, String> {
        let request = self.api.refresh(&tokens.refresh);
        let proxy = self.rng.below(self.proxies.len());
        let proxy = self.proxies[proxy].address;
        let answer = self.client.send_until_answered(&request, proxy).await.done()?;
        Tokens::read(&answer)
    }
}
