//! Servers that hang: stopped in the middle of whatever they do, and let go on later, with everything that they had been sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::trial::Trial;
use crate::client::{Client, Outcome};
use crate::ledger::{PASSWORD, Tokens};
use crate::record::Record;
use crate::request::{Door, Request};
use crate::servers::Site;
use crate::stage::Stage;

/// Well within the grace period of ten seconds, and beyond it.
const PAUSE: Duration = Duration::from_secs(5);
const LONG_PAUSE: Duration = Duration::from_secs(15);
/// What is counted meanwhile, and how it is printed.
const REDIS_NAMED: &str = "redis named";
const ME: &str = "me without redis";
const REDIS_FIGURES: [(&str, &str); 2] = [
    (REDIS_NAMED, "/readyz named Redis alone"),
    (ME, "me answered while Redis hung"),
];
const POSTGRES_NAMED: &str = "postgres named";
const JWKS: &str = "jwks without database";
const POSTGRES_FIGURES: [(&str, &str); 2] = [
    (POSTGRES_NAMED, "/readyz named the database alone"),
    (JWKS, "JWKS answered while PostgreSQL hung"),
];
/// A gateway has noticed by then.
const NOTICED: Duration = Duration::from_millis(1500);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hung {
    Redis,
    Postgres,
}

pub async fn run(stage: &mut Stage) -> bool {
    let mut beside = stage.branch();
    if stage.is_short {
        let (on_both, alone) = tokio::join!(on_postgres_and_redis(stage), on_postgres_alone(&mut beside));
        return on_both && alone;
    }
    on_postgres_and_redis(stage).await & on_postgres_alone(&mut beside).await
}

/// In turn, so that the grace period stands still for one alone.
async fn on_postgres_and_redis(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let title = "outage: Redis and PostgreSQL hang in turn, two nodes on both";
    hang(stage, &site, &[Hung::Redis, Hung::Postgres], title).await
}

async fn on_postgres_alone(stage: &mut Stage) -> bool {
    let site = Site::on_postgres(stage, &[], &[]).await;
    let title = "outage: PostgreSQL hangs, two nodes on PostgreSQL alone";
    hang(stage, &site, &[Hung::Postgres], title).await
}

async fn hang(stage: &mut Stage, site: &Site, servers: &[Hung], title: &str) -> bool {
    let mut trial = Trial::begin(stage, site, title);
    let onlooker = Onlooker::enter(site, &trial.record).await;
    let short_pauses = stage.times(3, 1);
    for pause in [vec![PAUSE; short_pauses], vec![LONG_PAUSE]].concat() {
        for hung in servers {
            trial.work(stage, 600..1200).await;
            trial.begin_fault();
            signal(site, *hung, "STOP");
            let looking = onlooker.clone().look_on(*hung, site);
            tokio::time::sleep(pause).await;
            trial.until_noticed().await;
            looking.abort();
            signal(site, *hung, "CONT");
            trial.end_fault(site).await;
        }
    }
    let record = trial.record.clone();
    let figures = trial.close(site, |block| {
        block
            .line("pauses of 5 s, of each", short_pauses)
            .line("pauses of 15 s, longer than the grace period, of each", 1);
        for (hung, figures) in [(Hung::Redis, REDIS_FIGURES), (Hung::Postgres, POSTGRES_FIGURES)] {
            for (figure, label) in figures.into_iter().filter(|_| servers.contains(&hung)) {
                record.must(label, record.counted(figure) > 0);
                block.line(&format!("  {label}"), record.counted(figure));
            }
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
        let answer = client.send_until_answered(&request, site.nodes[0].address).await.done();
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

    async fn look(&self, hung: Hung, node: SocketAddr) {
        self.look_at_readiness(hung, node).await;
        match hung {
            Hung::Redis => match self.client.send(&self.me, node).await {
                Outcome::Done(_) => self.record.count(ME),
                Outcome::Refused(why) => self.record.violation(format!("me without Redis: {why}")),
                // On a machine that has too much to do, the database may seem down too.
                Outcome::Unavailable | Outcome::Lost(_) => {}
            },
            Hung::Postgres => match self.client.look(node, "/.well-known/jwks.json").await {
                Some((200, _)) => self.record.count(JWKS),
                other => self.record.violation(format!("JWKS without the database: {other:?}")),
            },
        }
    }

    async fn look_at_readiness(&self, hung: Hung, node: SocketAddr) {
        let (down, up, named) = match hung {
            Hung::Redis => ("redis", "database", REDIS_NAMED),
            Hung::Postgres => ("database", "redis", POSTGRES_NAMED),
        };
        let readiness = self.client.look(node, "/readyz").await;
        match &readiness {
            Some((503, body)) if body[down] == "down" && body[up] != "down" => self.record.count(named),
            Some((503, body)) if body[down] == "down" => {}
            _ => self
                .record
                .violation(format!("/readyz does not name {hung:?}: {readiness:?}")),
        }
    }
}
