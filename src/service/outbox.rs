//! The worker that delivers the messages of the outbox. Every node runs one.
//!
//! Delivery is at least once. `domain::outbox` explains how a use case sends a message.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use metrics::{counter, gauge};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::domain::Result;
use crate::domain::clock::Clock;
use crate::domain::outbox::{Message, UndeliveredMessage};
use crate::store::Outbox;

/// How often the worker looks for messages that other nodes stored, or that are due again, unless
/// it is told otherwise.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long one delivery may take, unless the worker is told otherwise.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer than a delivery a claimed message is hidden from other workers: for the time to
/// record the outcome, and for the difference between the clocks of two nodes.
const LEASE_MARGIN: Duration = Duration::from_mins(1);
/// How long the worker tries to record the outcome of a delivery. It is half of [`LEASE_MARGIN`]:
/// the rest is for the last attempt, which has the timeout of a statement, and for the clocks.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two attempts to record an outcome.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
/// Deliveries at the same time. A server that hangs holds up this many, for the timeout at most.
const CONCURRENCY: usize = 16;
/// How often the age of the oldest message is measured.
const AGE_INTERVAL: Duration = Duration::from_secs(10);

/// Why a message was not delivered. The text is logged and stored, so it contains nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A later attempt may succeed.
    #[error("{0}")]
    Transient(String),
    /// No attempt will succeed.
    #[error("{0}")]
    Permanent(String),
}

/// Hands messages to the outside: to a mail server, for example.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// Delivers a message. It may be dropped half way when it takes too long, and the same message
    /// may come again.
    async fn deliver(&self, message: &Message) -> std::result::Result<(), DeliveryError>;

    /// Called at most once for each message that will not be delivered, on one node: the place for
    /// an audit event. A node that is killed at that moment does not call it.
    fn on_undelivered(&self, _message: &UndeliveredMessage) {}
}

/// Delivers what is in the outbox.
#[derive(Clone)]
pub struct OutboxWorker {
    outbox: Outbox,
    delivery: Arc<dyn Delivery>,
    clock: Arc<dyn Clock>,
    delivery_timeout: Duration,
    poll_interval: Duration,
}

impl OutboxWorker {
    /// A worker that is not started yet.
    #[must_use]
    pub fn new(outbox: Outbox, delivery: Arc<dyn Delivery>, clock: Arc<dyn Clock>) -> Self {
        Self {
            outbox,
            delivery,
            clock,
            delivery_timeout: DELIVERY_TIMEOUT,
            poll_interval: POLL_INTERVAL,
        }
    }

    /// The same worker, which gives a delivery this much time.
    #[must_use]
    pub fn with_delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// The same worker, which polls this often. Messages of its own node wake it all the same.
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Delivers messages for as long as the future is polled. When it is dropped, deliveries stop
    /// half way, and their messages are due again after the lease.
    pub async fn run(self) {
        let worker = Arc::new(self);
        let (mut deliveries, mut measured_at) = (JoinSet::new(), None);
        loop {
            if let Err(error) = worker.start_due(&mut deliveries).await {
                tracing::warn!(
                    error = &error as &dyn StdError,
                    "the outbox could not be read, and is read again"
                );
            }
            worker.measure_age(&mut measured_at).await;
            let has_room = deliveries.len() < CONCURRENCY;
            tokio::select! {
                () = worker.outbox.announced(), if has_room => {}
                Some(ended) = deliveries.join_next(), if !has_room => log_panic(ended),
                () = sleep(worker.poll_interval) => {}
            }
            while let Some(ended) = deliveries.try_join_next() {
                log_panic(ended);
            }
        }
    }

    /// Delivers what is due now, and waits until every delivery has ended. Returns how many
    /// messages were tried.
    ///
    /// # Errors
    /// `Unavailable` while the database is down.
    pub async fn deliver_due(self: &Arc<Self>) -> Result<usize> {
        let mut deliveries = JoinSet::new();
        self.start_due(&mut deliveries).await?;
        let started = deliveries.len();
        while let Some(ended) = deliveries.join_next().await {
            log_panic(ended);
        }
        Ok(started)
    }

    /// Claims no more messages than can start at once, because their leases begin now.
    async fn start_due(self: &Arc<Self>, deliveries: &mut JoinSet<()>) -> Result<()> {
        let now = self.clock.now();
        match self.outbox.give_up_expired(now).await {
            Ok(expired) => expired.iter().for_each(|message| self.report_undelivered(message)),
            // The claim decides whether the database is down.
            Err(error) => tracing::warn!(
                error = &error as &dyn StdError,
                "expired messages could not be given up, and are tried again"
            ),
        }
        let room = CONCURRENCY.saturating_sub(deliveries.len());
        if room == 0 {
            return Ok(());
        }
        let lease = self.delivery_timeout + LEASE_MARGIN;
        let due = self.outbox.claim(now, lease, u64::try_from(room).unwrap_or_default());
        for message in due.await? {
            let worker = self.clone();
            deliveries.spawn(async move { worker.deliver(message).await });
        }
        Ok(())
    }

    async fn deliver(&self, message: Message) {
        let outcome = self.attempt(&message).await;
        match &outcome {
            Ok(()) => {
                counter!("auth_gateway_outbox_delivered_total", "kind" => message.kind.clone()).increment(1);
            }
            Err(error) => tracing::info!(
                message = %message.id.0,
                kind = message.kind,
                attempts = message.attempts,
                error = error as &dyn StdError,
                "a message could not be delivered"
            ),
        }
        let started = Instant::now();
        while let Err(error) = self.record(&message, &outcome).await {
            tracing::warn!(
                message = %message.id.0,
                kind = message.kind,
                error = &error as &dyn StdError,
                "the outcome of a delivery could not be recorded; without it the message is delivered again"
            );
            if started.elapsed() + RECORD_PAUSE > RECORD_TIMEOUT {
                return;
            }
            sleep(RECORD_PAUSE).await;
        }
    }

    /// One delivery. A panic counts as a transient failure. Its text is not stored, because it may
    /// contain secrets.
    async fn attempt(&self, message: &Message) -> std::result::Result<(), DeliveryError> {
        let transient = |error: &str| Err(DeliveryError::Transient(error.to_owned()));
        // A block, because `deliver` may panic before it returns its future.
        let delivery = AssertUnwindSafe(async { self.delivery.deliver(message).await }).catch_unwind();
        match timeout(self.delivery_timeout, delivery).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => transient("the delivery panicked"),
            Err(_elapsed) => transient("the delivery took too long"),
        }
    }

    async fn record(&self, message: &Message, outcome: &std::result::Result<(), DeliveryError>) -> Result<()> {
        let now = self.clock.now();
        match outcome {
            Ok(()) => self.outbox.record_delivery(message, now).await,
            Err(DeliveryError::Transient(error)) => {
                let next = message.next_attempt(now);
                self.outbox.record_failure(message, error, next).await
            }
            Err(DeliveryError::Permanent(error)) => {
                if let Some(undelivered) = self.outbox.give_up(message, error, now).await? {
                    self.report_undelivered(&undelivered);
                }
                Ok(())
            }
        }
    }

    fn report_undelivered(&self, message: &UndeliveredMessage) {
        tracing::warn!(
            message = %message.id.0,
            kind = message.kind,
            account = message.account.map(|account| tracing::field::display(account.0)),
            attempts = message.attempts,
            error = message.last_error,
            "a message was not delivered, and is given up"
        );
        counter!("auth_gateway_outbox_failed_total", "kind" => message.kind.clone()).increment(1);
        self.delivery.on_undelivered(message);
    }

    async fn measure_age(&self, measured_at: &mut Option<Instant>) {
        if measured_at.is_some_and(|at| at.elapsed() < AGE_INTERVAL) {
            return;
        }
        *measured_at = Some(Instant::now());
        if let Ok(oldest) = self.outbox.oldest_pending().await {
            let age = oldest.map(|oldest| self.clock.now().since(oldest));
            gauge!("auth_gateway_outbox_oldest_age_seconds").set(age.unwrap_or_default());
        }
    }
}

/// A panic of the delivery itself is caught before; this one came from recording its outcome.
fn log_panic(ended: std::result::Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            error = &error as &dyn StdError,
            "the outcome of a delivery was not recorded, because of a panic; the message may be delivered again"
        );
    }
}
