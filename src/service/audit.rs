//! The audit log: each event is a log line at once, and soon a row.
//!
//! Nothing waits for the row. An event goes into a bounded queue, and one task of the node writes what has gathered there. What the
//! database cannot take is tried again; what the queue cannot take is dropped, counted and said.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::Error;
use crate::domain::audit::{AuditRecord, Event};
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::store::AuditLog;

/// Events that may wait: some megabytes, and minutes of a database that is down.
const QUEUE: usize = 8192;
/// Most events in one statement.
const BATCH: usize = 500;
/// How long the first event of a batch waits for others: one commit for all of them.
const GATHERING: Duration = Duration::from_millis(100);
/// How soon a failed batch is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the log says that events are not written.
const COMPLAINT: Duration = Duration::from_mins(1);
/// How long a shutdown waits for what is still in the queue.
const FLUSH: Duration = Duration::from_secs(2);
/// The name of the count.
const DROPPED: &str = "auth_gateway_audit_dropped_total";

/// Takes events.
#[derive(Clone)]
pub struct Audit {
    queue: mpsc::Sender<AuditRecord>,
    dropped: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

/// The task that writes what an `Audit` has taken.
pub struct AuditWriter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Audit {
    /// Begins to take events, and to write them.
    #[must_use]
    pub fn start(log: AuditLog, clock: Arc<dyn Clock>) -> (Self, AuditWriter) {
        let (audit, queue) = Self::with_capacity(QUEUE, clock);
        counter!(DROPPED).increment(0);
        let (stop, stopped) = oneshot::channel();
        let writing = Writing {
            queue,
            log,
            dropped: audit.dropped.clone(),
            complained_at: None,
        };
        let task = tokio::spawn(writing.run(stopped));
        (audit, AuditWriter { stop, task })
    }

    pub(crate) fn with_capacity(capacity: usize, clock: Arc<dyn Clock>) -> (Self, mpsc::Receiver<AuditRecord>) {
        let (queue, taken) = mpsc::channel(capacity);
        let dropped = Arc::default();
        (Self { queue, dropped, clock }, taken)
    }

    /// Takes note of what a client's request has done. Never waits and never fails.
    pub(crate) fn record(&self, event: Event, client: &ClientInfo) {
        let record = AuditRecord::new(event, client, self.clock.now());
        log(&record);
        // Strangers may fill half of the queue: a flood of wrong passwords must not keep the login that succeeds out of it.
        let is_crowded = self.queue.capacity() <= self.queue.max_capacity() / 2;
        if (record.event.is_strangers() && is_crowded) || self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            counter!(DROPPED).increment(1);
        }
    }
}

impl AuditWriter {
    /// Writes what is in the queue and takes nothing more, for two seconds at most.
    pub async fn finish(self) {
        let _gone_already = self.stop.send(());
        if timeout(FLUSH, self.task).await.is_err() {
            tracing::warn!("the last audit events could not be written in time");
        }
    }
}

/// The line of an event; the fields are the columns of its row.
fn log(record: &AuditRecord) {
    let event = &record.event;
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "audit",
                event = event.name(),
                account = event.account().map(|id| tracing::field::display(id.0)),
                session = event.session().map(|id| tracing::field::display(id.0)),
                detail = event.detail(),
                ip = record.device.ip,
                user_agent = record.device.user_agent,
                request_id = record.request_id,
            )
        };
    }
    if let Event::RefreshTokenReused { .. } = event {
        line!(warn);
    } else {
        line!(info);
    }
}

struct Writing {
    queue: mpsc::Receiver<AuditRecord>,
    log: AuditLog,
    dropped: Arc<AtomicU64>,
    complained_at: Option<Instant>,
}

impl Writing {
    /// Ends when it is told to, or when nobody is left who could note anything, and the queue is empty.
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        loop {
            let taken = tokio::select! {
                taken = self.queue.recv_many(&mut batch, BATCH) => taken,
                _ = &mut stopped, if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            self.gather(&mut batch).await;
            self.write(&batch).await;
            batch.clear();
        }
    }

    async fn gather(&mut self, batch: &mut Vec<AuditRecord>) {
        if batch.len() < BATCH && !self.queue.is_closed() {
            sleep(GATHERING).await;
        }
        while batch.len() < BATCH
            && let Ok(record) = self.queue.try_recv()
        {
            batch.push(record);
        }
    }

    async fn write(&mut self, batch: &[AuditRecord]) {
        while let Err(error) = self.log.append(batch).await {
            self.complain(Some(&error));
            sleep(RETRY).await;
        }
        self.complain(None);
    }

    /// Says once a minute what is not in the database.
    fn complain(&mut self, error: Option<&Error>) {
        let is_soon = self.complained_at.is_some_and(|at| at.elapsed() < COMPLAINT);
        if is_soon || (error.is_none() && self.dropped.load(Ordering::Relaxed) == 0) {
            return;
        }
        self.complained_at = Some(Instant::now());
        tracing::warn!(
            dropped = self.dropped.swap(0, Ordering::Relaxed),
            waiting = self.queue.len(),
            error = error.map(|error| error as &dyn StdError),
            "audit events are not written: what waits is tried again, what the queue had no room for is in the log alone"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::AccountId;
    use crate::domain::clock::SystemClock;
    use crate::domain::session::SessionId;

    fn dropped(audit: &Audit) -> u64 {
        audit.dropped.load(Ordering::Relaxed)
    }

    #[test]
    fn a_flood_of_strangers_leaves_room_for_what_they_may_have_done() {
        let (audit, mut taken) = Audit::with_capacity(8, Arc::new(SystemClock));
        let client = ClientInfo::default();
        for _ in 0..6 {
            audit.record(Event::LoginFailed { account: None }, &client);
        }
        assert_eq!(dropped(&audit), 2);
        let logged_in = || Event::LoggedIn {
            account: AccountId::random(),
            session: SessionId::fresh(),
        };
        for _ in 0..5 {
            audit.record(logged_in(), &client);
        }
        assert_eq!(
            dropped(&audit),
            3,
            "a full queue takes nothing more, and nobody waits for it"
        );
        let names: Vec<_> = std::iter::from_fn(|| taken.try_recv().ok())
            .map(|record| record.event.name())
            .collect();
        assert_eq!(names, [["login_failed"; 4], ["logged_in"; 4]].concat());
        audit.record(Event::LoginFailed { account: None }, &client);
        assert_eq!(dropped(&audit), 3, "there is room again");
    }
}
