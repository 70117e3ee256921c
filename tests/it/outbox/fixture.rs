//! An outbox under test, with a delivery that records what it is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_gateway::config::DatabaseUrl;
use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::clock::{Clock, Timestamp};
use auth_gateway::domain::outbox::{Message, MessageId, NewMessage, UndeliveredMessage};
use auth_gateway::domain::secret::{SecretBytes, SecretString};
use auth_gateway::security::PayloadEncryption;
use auth_gateway::service::{Delivery, DeliveryError, OutboxWorker};
use auth_gateway::store::{Database, Outbox};
use tokio::sync::OwnedMutexGuard;

use crate::harness::{Backend, ManualClock, Stores};

pub const CONTENTS: &[u8] = b"to: jane.doe@example.com";
pub const LEASE: Duration = Duration::from_mins(1);

/// Declares each case as two tests, one for each database.
macro_rules! on_each_database {
    ($(async fn $name:ident($fixture:ident: &OutboxFixture) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every case needs all of its file's imports")]
            use super::*;

            async fn case($fixture: &$crate::outbox::fixture::OutboxFixture) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                case(&$crate::outbox::fixture::OutboxFixture::new($crate::harness::Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                case(&$crate::outbox::fixture::OutboxFixture::new($crate::harness::Backend::Postgres).await).await;
            }
        })*
    };
}
pub(crate) use on_each_database;

pub struct OutboxFixture {
    pub stores: Stores,
    pub outbox: Outbox,
    pub clock: Arc<ManualClock>,
    pub delivery: Arc<RecordingDelivery>,
}

impl OutboxFixture {
    pub async fn new(backend: Backend) -> Self {
        let stores = Stores::new(backend).await;
        let outbox = outbox_at(&stores.database_url, 7).await;
        Self {
            stores,
            outbox,
            clock: Arc::new(ManualClock::new()),
            delivery: Arc::default(),
        }
    }

    /// Another node over the same database.
    pub async fn another_outbox(&self) -> Outbox {
        outbox_at(&self.stores.database_url, 7).await
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn worker(&self) -> Arc<OutboxWorker> {
        Arc::new(self.worker_over(&self.outbox))
    }

    pub fn worker_over(&self, outbox: &Outbox) -> OutboxWorker {
        OutboxWorker::new(outbox.clone(), self.delivery.clone(), self.clock.clone())
    }

    pub async fn enqueue(&self) -> NewMessage {
        let message = message_at(self.now());
        self.outbox.enqueue(&message).await.unwrap();
        message
    }

    pub async fn claim(&self, limit: u64) -> Vec<Message> {
        self.outbox.claim(self.now(), LEASE, limit).await.unwrap()
    }

    /// How many rows fulfil this condition.
    pub async fn count(&self, condition: &str) -> u64 {
        let query = format!("SELECT CAST(COUNT(*) AS TEXT) FROM outbox WHERE {condition}");
        self.stores.text(&query).await.parse().unwrap()
    }
}

pub fn message_at(now: Timestamp) -> NewMessage {
    NewMessage {
        id: MessageId::fresh(),
        kind: "test",
        contents: SecretBytes::new(CONTENTS.to_vec()),
        account: Some(AccountId::random()),
        created_at: now,
        useless_at: now.plus(Duration::from_hours(1000)),
    }
}

/// The outbox of a node with this secret.
pub async fn outbox_at(url: &str, secret: u8) -> Outbox {
    let url = match url.strip_prefix("sqlite://") {
        Some(file) => DatabaseUrl::Sqlite(file.into()),
        None => DatabaseUrl::Postgres(SecretString::new(url.to_owned())),
    };
    let database = Database::connect(&url).await.unwrap();
    database.migrate_up().await.unwrap();
    let secrets = [SecretBytes::new(vec![secret; 32])];
    Outbox::new(database, Arc::new(PayloadEncryption::new(&secrets, "outbox").unwrap()))
}

/// Records every delivery, and answers with what the test sets.
#[derive(Default)]
pub struct RecordingDelivery {
    deliveries: Mutex<HashMap<MessageId, u32>>,
    error: Mutex<Option<DeliveryError>>,
    undelivered: Mutex<Vec<UndeliveredMessage>>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl RecordingDelivery {
    pub fn fail_with(&self, error: Option<DeliveryError>) {
        *self.error.lock().unwrap() = error;
    }

    /// Deliveries begin, and do not end before this is dropped.
    pub fn hold(&self) -> OwnedMutexGuard<()> {
        self.gate.clone().try_lock_owned().unwrap()
    }

    /// How often each message came.
    pub fn deliveries(&self) -> HashMap<MessageId, u32> {
        self.deliveries.lock().unwrap().clone()
    }

    pub fn undelivered(&self) -> Vec<UndeliveredMessage> {
        self.undelivered.lock().unwrap().clone()
    }
}

#[async_trait]
impl Delivery for RecordingDelivery {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        assert_eq!(message.contents.expose(), CONTENTS);
        *self.deliveries.lock().unwrap().entry(message.id).or_default() += 1;
        tokio::task::yield_now().await;
        drop(self.gate.lock().await);
        self.error.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn on_undelivered(&self, message: &UndeliveredMessage) {
        self.undelivered.lock().unwrap().push(message.clone());
    }
}
