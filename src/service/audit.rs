//! The audit log: each event is a log line at once. If `AUDIT_EVENTS` includes it, it is a row in
//! SQL soon after.
//!
//! No request waits for the row. An event goes into a bounded queue, and one task of the node
//! writes batches from there. If the database fails, the task retries the batch. If the queue is
//! full, events are dropped, counted, and reported in the log.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::Error;
use crate::domain::audit::{AuditEvent, AuditRecord, Severity};
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::domain::stored_events::StoredEvents;
use crate::store::AuditLog;

/// Capacity of the queue: some megabytes, and minutes of a database that is down.
const QUEUE: usize = 8192;
/// The most events in one statement.
const BATCH: usize = 500;
/// How long the first event of a batch waits for others, so that they share a commit.
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// How long the writer waits before it retries a failed batch.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often the log reports that events are not written.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);
/// How long a shutdown waits for the rest of the queue.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// The metric that counts dropped events.
const DROPPED: &str = "auth_gateway_audit_dropped_total";

/// Records events.
#[derive(Clone)]
pub struct Audit {
    queue: mpsc::Sender<AuditRecord>,
    stored: StoredEvents,
    dropped: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

/// The task that writes what an `Audit` has queued.
pub struct AuditWriter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Audit {
    /// Starts the task that writes the events of the set.
    #[must_use]
    pub fn start(log: AuditLog, stored: StoredEvents, clock: Arc<dyn Clock>) -> (Self, AuditWriter) {
        let (audit, queue) = Self::with_capacity(QUEUE, stored, clock);
        counter!(DROPPED).increment(0);
        let (stop, stopped) = oneshot::channel();
        let writing = Writing {
            queue,
            log,
            dropped: audit.dropped.clone(),
            warned_at: None,
        };
        let task = tokio::spawn(writing.run(stopped));
        (audit, AuditWriter { stop, task })
    }

    /// The receiver gets what a writer would write.
    pub(crate) fn with_capacity(
        capacity: usize,
        stored: StoredEvents,
        clock: Arc<dyn Clock>,
    ) -> (Self, mpsc::Receiver<AuditRecord>) {
        let (queue, queued) = mpsc::channel(capacity);
        let audit = Self {
            queue,
            stored,
            dropped: Arc::default(),
            clock,
        };
        (audit, queued)
    }

    /// Records what a client's request has done. Never waits and never fails.
    pub(crate) fn record(&self, event: AuditEvent, client: &ClientInfo) {
        let record = AuditRecord::new(event, client, self.clock.now());
        log(&record);
        if !self.stored.contains(record.event.kind) {
            return;
        }
        // Events that strangers can cause may fill half of the queue. A flood of wrong passwords
        // must not keep the login that succeeds out of the audit log.
        let is_half_full = self.queue.capacity() <= self.queue.max_capacity() / 2;
        let is_dropped = is_half_full && record.event.kind.row().is_open_to_strangers;
        if is_dropped || self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            counter!(DROPPED).increment(1);
        }
    }
}

impl AuditWriter {
    /// Writes what is in the queue, for two seconds at most. Later events are dropped.
    pub async fn finish(self) {
        let _task_has_ended = self.stop.send(());
        if timeout(FLUSH_TIMEOUT, self.task).await.is_err() {
            tracing::warn!("the last audit events could not be written in time");
        }
    }
}

/// Writes the log line of an event. Its fields are the columns of the row.
fn log(record: &AuditRecord) {
    let event = &record.event;
    let row = event.kind.row();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "audit",
                event = row.name,
                account = event.account.map(|id| tracing::field::display(id.0)),
                session = event.session.map(|id| tracing::field::display(id.0)),
                detail = event.detail,
                ip = record.device.ip,
                user_agent = record.device.user_agent,
                request_id = record.request_id,
            )
        };
    }
    match row.severity {
        Severity::Info => line!(info),
        Severity::Warn => line!(warn),
    }
}

struct Writing {
    queue: mpsc::Receiver<AuditRecord>,
    log: AuditLog,
    dropped: Arc<AtomicU64>,
    warned_at: Option<Instant>,
}

impl Writing {
    /// Ends once the queue is empty and either `stopped` fires or every `Audit` is gone.
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        loop {
            let received = tokio::select! {
                received = self.queue.recv_many(&mut batch, BATCH) => received,
                _ = &mut stopped, if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            if received == 0 {
                return;
            }
            self.fill(&mut batch).await;
            self.write(&batch).await;
            batch.clear();
        }
    }

    async fn fill(&mut self, batch: &mut Vec<AuditRecord>) {
        if batch.len() < BATCH && !self.queue.is_closed() {
            sleep(BATCH_WAIT).await;
        }
        while batch.len() < BATCH
            && let Ok(record) = self.queue.try_recv()
        {
            batch.push(record);
        }
    }

    async fn write(&mut self, batch: &[AuditRecord]) {
        while let Err(error) = self.log.append(batch).await {
            self.warn(Some(&error));
            sleep(RETRY_INTERVAL).await;
        }
        self.warn(None);
    }

    /// Reports once a minute that events are not in the database.
    fn warn(&mut self, error: Option<&Error>) {
        let is_soon = self.warned_at.is_some_and(|at| at.elapsed() < WARNING_INTERVAL);
        if is_soon || (error.is_none() && self.dropped.load(Ordering::Relaxed) == 0) {
            return;
        }
        self.warned_at = Some(Instant::now());
        tracing::warn!(
            dropped = self.dropped.swap(0, Ordering::Relaxed),
            waiting = self.queue.len(),
            error = error.map(|error| error as &dyn StdError),
            "audit events are not written: queued events are retried, dropped events are in the log only"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::EventKind;
    use crate::domain::clock::SystemClock;

    fn dropped(audit: &Audit) -> u64 {
        audit.dropped.load(Ordering::Relaxed)
    }

    #[test]
    fn failed_logins_leave_half_of_the_queue_to_other_events() {
        let (audit, mut queued) = Audit::with_capacity(8, StoredEvents::default(), Arc::new(SystemClock));
        let record = |kind| audit.record(AuditEvent::new(kind), &ClientInfo::default());
        for _ in 0..6 {
            record(EventKind::LoginFailed);
        }
        assert_eq!(dropped(&audit), 2);
        for _ in 0..5 {
            record(EventKind::LoggedIn);
        }
        assert_eq!(dropped(&audit), 3, "a full queue drops events without waiting");
        let kinds: Vec<_> = std::iter::from_fn(|| queued.try_recv().ok())
            .map(|record| record.event.kind)
            .collect();
        assert_eq!(kinds, [[EventKind::LoginFailed; 4], [EventKind::LoggedIn; 4]].concat());
        record(EventKind::LoginFailed);
        assert_eq!(dropped(&audit), 3, "there is room again");
    }
}
