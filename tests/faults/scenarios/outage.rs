//! Servers hang: SIGSTOP stops them in the middle of their work, and SIGCONT lets them continue
//! with all data that they were sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::fault_test::FaultTest;
use crate::client::{Client, Outcome};
use crate::environment::Environment;
use crate::expected_state::{PASSWORD, Tokens};
use crate::record::Record;
use crate::request::{Api, Request};
use crate::servers::Deployment;

/// Shorter and longer than the grace period of ten seconds.
const PAUSE: Duration = Duration::from_secs(5);
const LONG_PAUSE: Duration = Duration::from_secs(15);
/// The counters of the observer, with their labels.
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
/// By this time a gateway has noticed the fault.
const NOTICED: Duration = Duration::from_millis(1500);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hung {
    Redis,
    Postgres,
}

pub async fn run(env: &mut Environment) -> bool {
    let mut concurrent = env.fork();
    if env.is_short {
        let (on_both, alone) = tokio::join!(on_postgres_and_redis(env), on_postgres_alone(&mut concurrent));
        return on_both && alone;
    }
    on_postgres_and_redis(env).await & on_postgres_alone(&mut concurrent).await
}

/// One server after the other, so that each pause of the grace period has one cause.
async fn on_postgres_and_redis(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let title = "outage: Redis and PostgreSQL hang in turn, two nodes on both";
    hang(env, &deployment, &[Hung::Redis, Hung::Postgres], title).await
}

async fn on_postgres_alone(env: &mut Environment) -> bool {
    let deployment = Deployment::on_postgres(env, &[], &[]).await;
    let title = "outage: PostgreSQL hangs, two nodes on PostgreSQL alone";
    hang(env, &deployment, &[Hung::Postgres], title).await
}

async fn hang(env: &mut Environment, deployment: &Deployment, servers: &[Hung], title: &str) -> bool {
    let mut test = FaultTest::start(env, deployment, title);
    let observer = Observer::register(deployment, &test.record).await;
    let short_pauses = env.times(3, 1);
    for pause in [vec![PAUSE; short_pauses], vec![LONG_PAUSE]].concat() {
        for hung in servers {
            test.work(env, 600..1200).await;
            test.begin_fault();
            signal(deployment, *hung, "STOP");
            let observing = observer.clone().observe(*hung, deployment);
            tokio::time::sleep(pause).await;
            test.wait_until_noticed().await;
            observing.abort();
            signal(deployment, *hung, "CONT");
            test.end_fault(deployment).await;
        }
    }
    let record = test.record.clone();
    let figures = test.finish(deployment, |report| {
        report
            .line("pauses of 5 s, of each", short_pauses)
            .line("pauses of 15 s, longer than the grace period, of each", 1);
        for (hung, figures) in [(Hung::Redis, REDIS_FIGURES), (Hung::Postgres, POSTGRES_FIGURES)] {
            for (figure, label) in figures.into_iter().filter(|_| servers.contains(&hung)) {
                record.require(label, record.counted(figure) > 0);
                report.line(&format!("  {label}"), record.counted(figure));
            }
        }
    });
    figures.await
}

fn signal(deployment: &Deployment, hung: Hung, signal: &str) {
    match hung {
        Hung::Redis => deployment.redis().process.signal(signal),
        Hung::Postgres => deployment.postgres().process.signal(signal),
    }
}

/// A signed-in client that only observes.
#[derive(Clone)]
struct Observer {
    client: Client,
    record: Arc<Record>,
    me: Request,
}

impl Observer {
    async fn register(deployment: &Deployment, record: &Arc<Record>) -> Self {
        let client = Client::new(record);
        let request = Api::Rest.register("observer@example.com", "observer", PASSWORD);
        let answer = client
            .send_until_answered(&request, deployment.nodes[0].address)
            .await
            .done();
        let tokens = Tokens::read(&answer.expect("an account can be registered")).unwrap();
        Self {
            client,
            record: record.clone(),
            me: Api::Rest.me(&tokens.access),
        }
    }

    /// Checks during the fault what the table of outages in ARCHITECTURE.md promises.
    fn observe(self, hung: Hung, deployment: &Deployment) -> JoinHandle<()> {
        let nodes = deployment.addresses();
        tokio::spawn(async move {
            tokio::time::sleep(NOTICED).await;
            loop {
                for node in &nodes {
                    self.get(hung, *node).await;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        })
    }

    async fn get(&self, hung: Hung, node: SocketAddr) {
        self.check_readiness(hung, node).await;
        match hung {
            Hung::Redis => match self.client.send(&self.me, node).await {
                Outcome::Done(_) => self.record.count(ME),
                Outcome::Refused(why) => self.record.violation(format!("me without Redis: {why}")),
                // On an overloaded machine the database may seem down as well.
                Outcome::Unavailable | Outcome::Lost(_) => {}
            },
            Hung::Postgres => match self.client.get(node, "/.well-known/jwks.json").await {
                Some((200, _)) => self.record.count(JWKS),
                other => self.record.violation(format!("JWKS without the database: {other:?}")),
            },
        }
    }

    async fn check_readiness(&self, hung: Hung, node: SocketAddr) {
        let (down, up, named) = match hung {
            Hung::Redis => ("redis", "database", REDIS_NAMED),
            Hung::Postgres => ("database", "redis", POSTGRES_NAMED),
        };
        let readiness = self.client.get(node, "/readyz").await;
        match &readiness {
            Some((503, body)) if body[down] == "down" && body[up] != "down" => self.record.count(named),
            Some((503, body)) if body[down] == "down" => {}
            _ => self
                .record
                .violation(format!("/readyz does not name {hung:?}: {readiness:?}")),
        }
    }
}
