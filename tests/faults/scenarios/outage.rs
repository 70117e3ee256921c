//! Servers that hang: stopped in the middle of whatever they do, and let go on later, with everything that they had been sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::trial::Trial;
use crate::client::{Client, Door, Request};
use crate::ledger::{PASSWORD, Tokens};
use crate::record::Record;
use crate::servers::Site;
use crate::stage::Stage;

/// Well within the grace period of ten seconds, and beyond it.
const PAUSE: Duration = Duration::from_secs(5);
const LONG_PAUSE: Duration = Duration::from_secs(15);
/// A gateway has noticed by then.
const NOTICED: Duration = Duration::from_millis(1500);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hung {
    Redis,
    Postgres,
}

pub async fn run(stage: &mut Stage) -> bool {
    let pauses = stage.times(3, 1);
    let pauses = [vec![PAUSE; pauses], vec![LONG_PAUSE]].concat();
    let with_redis = "two nodes on PostgreSQL and Redis";
    let mut is_good = true;
    for hung in [Hung::Redis, Hung::Postgres] {
        let site = Site::postgres_redis(stage, &[]).await;
        is_good &= hang(stage, &site, hung, &pauses, with_redis).await;
    }
    let site = Site::on_postgres(stage, &[], &[]).await;
    hang(stage, &site, Hung::Postgres, &pauses, "two nodes on PostgreSQL alone").await && is_good
}

async fn hang(stage: &mut Stage, site: &Site, hung: Hung, pauses: &[Duration], where_: &str) -> bool {
    let mut trial = Trial::begin(stage, site, &format!("outage: {hung:?} hangs, {where_}"));
    let onlooker = Onlooker::enter(site, &trial.record).await;
    for pause in pauses {
        trial.work(stage, 600..1200).await;
        trial.begin_fault();
        signal(site, hung, "STOP");
        let looking = onlooker.clone().look_on(hung, site);
        tokio::time::sleep(*pause).await;
        looking.abort();
        signal(site, hung, "CONT");
        trial.end_fault(site).await;
    }
    let record = trial.record.clone();
    record.must("clients notice", record.counted("503") > 0);
    record.must("readiness is asked for", record.counted("named") > 0);
    if hung == Hung::Redis {
        record.must("me is asked for", record.counted("me without redis") > 0);
    }
    let figures = trial.close(site, |block| {
        let of = |span| pauses.iter().filter(|pause| **pause == span).count();
        block
            .line("pauses of 5 s", of(PAUSE))
            .line("pauses of 15 s, longer than the grace period", of(LONG_PAUSE))
            .line("  /readyz named what hangs", record.counted("named"));
        if hung == Hung::Redis {
            block.line("  me answered meanwhile", record.counted("me without redis"));
        } else {
            block.line("  JWKS answered meanwhile", record.counted("jwks without database"));
        }
    });
    figures.await
}

fn signal(site: &Site, hung: Hung, signal: &str) {
    match hung {
        Hung::Redis => site.redis().process.signal(signal),
        Hung::Postgres => site.postgres().process.signal(signal),
    }
}

/// Somebody who is signed in and does nothing but look.
#[derive(Clone)]
struct Onlooker {
    client: Client,
    record: Arc<Record>,
    me: Request,
}

impl Onlooker {
    async fn enter(site: &Site, record: &Arc<Record>) -> Self {
        let client = Client::new(record);
        let request = Door::Rest.register("onlooker@example.com", "onlooker", PASSWORD);
        let answer = client.send(&request, site.nodes[0].address).await.done();
        let tokens = Tokens::read(&answer.expect("an account can be registered")).unwrap();
        Self {
            client,
            record: record.clone(),
            me: Door::Rest.me(&tokens.access),
        }
    }

    /// What the table of outages in ARCHITECTURE.md says, as long as the fault lasts.
    fn look_on(self, hung: Hung, site: &Site) -> JoinHandle<()> {
        let nodes = site.addresses();
        tokio::spawn(async move {
            tokio::time::sleep(NOTICED).await;
            loop {
                for node in &nodes {
                    self.look(hung, *node).await;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        })
    }

    async fn look(&self, hung: Hung, node: std::net::SocketAddr) {
        let readiness = self.client.look(node, "/readyz").await;
        let is_named = readiness.as_ref().is_some_and(|(status, body)| {
            let (down, up) = match hung {
                Hung::Redis => ("redis", "database"),
                Hung::Postgres => ("database", "redis"),
            };
            *status == 503 && body[down] == "down" && body[up] != "down"
        });
        if is_named {
            self.record.count("named");
        } else {
            self.record
                .violation(format!("/readyz does not name {hung:?}: {readiness:?}"));
        }
        match hung {
            Hung::Redis => match self.client.send(&self.me, node).await.done() {
                Ok(_) => self.record.count("me without redis"),
                Err(what) => self.record.violation(format!("me without Redis: {what}")),
            },
            Hung::Postgres => match self.client.look(node, "/.well-known/jwks.json").await {
                Some((200, _)) => self.record.count("jwks without database"),
                other => self.record.violation(format!("JWKS without the database: {other:?}")),
            },
        }
    }
}
