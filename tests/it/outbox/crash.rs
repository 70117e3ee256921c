//! A node that is killed between the commit of a message and its delivery.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_gateway::domain::clock::{Clock, SystemClock};
use auth_gateway::domain::outbox::Message;
use auth_gateway::service::{Delivery, DeliveryError, OutboxWorker};

use crate::harness::Backend;
use crate::outbox::fixture::{OutboxFixture, message_at, outbox_at};

/// Set in the process that is killed: the database that it shares with the test.
const CHILD: &str = "AUTH_GATEWAY_TEST_OUTBOX";
/// The line that the child writes once its deliveries are under way.
const UNDER_WAY: &str = "deliveries are under way";
/// After this time the child ends by itself, which fails the test.
const TIMEOUT: Duration = Duration::from_secs(15);
const MESSAGES: usize = 20;
/// A worker has so many deliveries at the same time.
const CLAIMED: usize = 16;

/// Never ends a delivery.
#[derive(Default)]
struct EndlessDelivery {
    started: AtomicUsize,
}

#[async_trait]
impl Delivery for EndlessDelivery {
    async fn deliver(&self, _message: &Message) -> Result<(), DeliveryError> {
        if self.started.fetch_add(1, Ordering::SeqCst) + 1 == CLAIMED {
            let mut output = std::io::stdout();
            writeln!(output, "{UNDER_WAY}").unwrap();
            output.flush().unwrap();
        }
        std::future::pending().await
    }
}

/// The child: stores messages, begins to deliver them, and waits for its end.
async fn deliver_forever(database_url: &str) {
    let outbox = outbox_at(database_url, 7).await;
    for _ in 0..MESSAGES {
        outbox.enqueue(&message_at(SystemClock.now())).await.unwrap();
    }
    let delivery = Arc::<EndlessDelivery>::default();
    let worker = OutboxWorker::new(outbox, delivery, Arc::new(SystemClock));
    let _killed_before = tokio::time::timeout(TIMEOUT, worker.run()).await;
}

/// Runs this test in a process of its own until its deliveries are under way, and kills it.
fn run_and_kill(test: &str, database_url: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, database_url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_under_way = lines.map(Result::unwrap).any(|line| line.contains(UNDER_WAY));
    // SIGKILL: nothing in the child runs any more.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_under_way, "the child ended by itself");
}

#[allow(clippy::disallowed_methods, reason = "how the test tells its child what to do")]
async fn a_killed_node_loses_no_message(backend: Backend, test: &str) {
    if let Ok(database_url) = std::env::var(CHILD) {
        return deliver_forever(&database_url).await;
    }
    let fixture = OutboxFixture::new(backend).await;
    run_and_kill(test, &fixture.stores.database_url);
    assert_eq!(
        fixture
            .count("delivered_at IS NULL AND sealed_contents IS NOT NULL")
            .await,
        MESSAGES as u64
    );

    // Past the times by the clock of the child, and within the leases of the messages that it
    // claimed.
    fixture.clock.advance(Duration::from_secs(45));
    let worker = fixture.worker();
    assert_eq!(worker.deliver_due().await.unwrap(), MESSAGES - CLAIMED);
    assert_eq!(worker.deliver_due().await.unwrap(), 0);
    fixture.clock.advance(Duration::from_mins(2));
    assert_eq!(worker.deliver_due().await.unwrap(), CLAIMED);
    assert_eq!(worker.deliver_due().await.unwrap(), 0);
    let deliveries = fixture.delivery.deliveries();
    assert_eq!(deliveries.len(), MESSAGES);
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_loses_no_message_on_sqlite() {
    let test = "outbox::crash::a_killed_node_loses_no_message_on_sqlite";
    a_killed_node_loses_no_message(Backend::Sqlite, test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_loses_no_message_on_postgres() {
    let test = "outbox::crash::a_killed_node_loses_no_message_on_postgres";
    a_killed_node_loses_no_message(Backend::Postgres, test).await;
}
