//! Refreshes whose answer is lost on the way, after the gateway has carried them out.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::client::Client;
use crate::ledger::{PASSWORD, Tokens};
use crate::record::Record;
use crate::report::Block;
use crate::request::{Door, Request};
use crate::servers::Site;
use crate::stage::Stage;
use crate::wire::LossyWire;

const CLIENTS: usize = 4;
/// A retry's answer may be lost too.
const MOST_LOSSES: usize = 3;

pub async fn run(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let on_both = lose_answers(stage, &site, "lost-answers: two nodes on PostgreSQL and Redis").await;
    drop(site);
    let site = Site::sqlite(stage, &[]).await;
    lose_answers(stage, &site, "lost-answers: one node on SQLite").await && on_both
}

async fn lose_answers(stage: &mut Stage, site: &Site, title: &str) -> bool {
    let record = stage.new_record();
    let block = Block::open(&record, title);
    let refreshes = stage.times(1000, 100);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let patient = Patient::enter(number, &site.addresses(), &record, stage.chance.branch()).await;
        clients.spawn(patient.refresh_in_vain(refreshes / CLIENTS));
    }
    for ended in clients.join_all().await {
        record.must("every client comes to its end", ended);
    }
    record.must("answers are lost", record.counted("renewals") == refreshes as u64);
    site.look_behind(&record).await;
    block
        .line("refreshes whose answer was lost", record.counted("renewals"))
        .line("answers lost, those of retries included", record.counted("lost"))
        .line("retries that gave exactly the lost token", record.counted("same token"))
        .line("chains that went on after that", record.counted("went on"))
        .line("access tokens that were good", record.counted("me"));
    block.close()
}

/// A client who has a lossy wire to each node, and tries again.
struct Patient {
    door: Door,
    client: Client,
    wires: Vec<LossyWire>,
    record: Arc<Record>,
    chance: Chance,
    tokens: Tokens,
}

impl Patient {
    async fn enter(number: usize, nodes: &[SocketAddr], record: &Arc<Record>, chance: Chance) -> Self {
        let mut wires = Vec::new();
        for node in nodes {
            wires.push(LossyWire::to(*node).await);
        }
        let (door, client) = (Door::of(number), Client::new(record));
        let username = format!("john{number}");
        let request = door.register(&format!("{username}@example.com"), &username, PASSWORD);
        let answer = client.send_until_answered(&request, nodes[0]).await.done();
        Self {
            door,
            client,
            wires,
            record: record.clone(),
            chance,
            tokens: Tokens::read(&answer.expect("an account can be registered")).unwrap(),
        }
    }

    /// Whether it came to its end.
    async fn refresh_in_vain(mut self, times: usize) -> bool {
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

    /// One renewal: its answer and perhaps that of a retry are lost; then the retry must give what was lost.
    async fn lose_and_retry(&mut self) -> Result<(), String> {
        let presented = self.tokens.clone();
        let losses = self.chance.below(MOST_LOSSES) + 1;
        let mut lost = Vec::new();
        for _ in 0..losses {
            lost.push(self.refresh_and_lose(&presented).await?);
            self.record.count("lost");
        }
        self.record.count("renewals");
        let retried = self.refresh(&presented).await?;
        if lost.iter().any(|lost| lost.refresh != retried.refresh) {
            return Err("a retry gave another token than the one that was lost".to_owned());
        }
        self.record.count("same token");
        let next = self.refresh(&retried).await?;
        if next.generation != presented.generation + 2 {
            return Err(format!("the chain went on with generation {}", next.generation));
        }
        self.record.count("went on");
        let me = self.door.me(&lost[0].access);
        self.client
            .send_until_answered(&me, self.wires[0].address)
            .await
            .done()?;
        self.tokens = next;
        Ok(())
    }

    async fn refresh_and_lose(&mut self, tokens: &Tokens) -> Result<Tokens, String> {
        let request = self.door.refresh(&tokens.refresh);
        loop {
            let body = self.lose_the_answer(&request).await?;
            if !request.is_unavailable(&body) {
                return Tokens::read(body.get("data").map_or(&body, |data| &data["refreshToken"]));
            }
        }
    }

    /// What the client did not get to see.
    async fn lose_the_answer(&mut self, request: &Request) -> Result<Value, String> {
        let wire = self.chance.below(self.wires.len());
        let wire = &mut self.wires[wire];
        wire.lose(1);
        let outcome = self.client.send(request, wire.address).await;
        if !outcome.is_lost() {
            return Err(format!("an answer came although it was lost: {outcome:?}"));
        }
        let bodies = wire.lost();
        let [body] = bodies.as_slice() else {
            return Err(format!("{} answers were lost, not one", bodies.len()));
        };
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }

    async fn refresh(&mut self, tokens: &Tokens) -> Result<Tokens, String> {
        let request = self.door.refresh(&tokens.refresh);
        let wire = self.chance.below(self.wires.len());
        let wire = self.wires[wire].address;
        let answer = self.client.send_until_answered(&request, wire).await.done()?;
        Tokens::read(&answer)
    }
}
