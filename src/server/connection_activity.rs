//! What a connection waits for, and since when.
//!
//! The socket and the requests of a connection record events here. One timer checks the record, so
//! no timer is set or cleared for a request. The fields are atomic because each stream of an HTTP/2
//! connection is a task of its own. They are independent, so relaxed ordering is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::http::Version;

/// How long a slow client is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the head of a request, from its first byte; for the first request, from the connection.
    pub head: Duration,
    /// For an answer: the time to produce it and to send it.
    pub answer: Duration,
    /// While the send buffer is full, until the client reads on.
    pub send: Duration,
    /// Without any request.
    pub idle: Duration,
}

impl Timeouts {
    /// Every wait that begins now lasts at least this long.
    fn shortest(&self) -> Duration {
        self.head.min(self.answer).min(self.send).min(self.idle)
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The rest of a head.
    Head,
    /// The end of an answer.
    Answer,
    /// The client to read.
    Reader,
    /// The next request.
    Request,
}

impl Wait {
    /// The name in the log and the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Answer => "answer",
            Self::Reader => "reader",
            Self::Request => "request",
        }
    }
}

/// The record of one connection. Times are milliseconds since it was accepted.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    accepted_at: Instant,
    /// When the wait began, unless a write is blocked.
    since: AtomicU64,
    /// When the first blocked write began; `NOT_BLOCKED` if none is.
    blocked_since: AtomicU64,
    in_progress: AtomicU32,
    has_begun_head: AtomicBool,
    is_multiplexed: AtomicBool,
}

const NOT_BLOCKED: u64 = u64::MAX;

impl ConnectionActivity {
    pub(super) fn new() -> Self {
        Self {
            accepted_at: Instant::now(),
            since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NOT_BLOCKED),
            in_progress: AtomicU32::new(0),
            // The first request is expected at once: its head counts from the connection.
            has_begun_head: AtomicBool::new(true),
            is_multiplexed: AtomicBool::new(false),
        }
    }

    /// Between requests, received bytes begin a head. Over HTTP/2 they may be pings, so there only
    /// a complete request ends the wait.
    pub(super) fn bytes_received(&self) {
        let is_between_requests = self.in_progress.load(Relaxed) == 0 && !self.has_begun_head.load(Relaxed);
        if is_between_requests && !self.is_multiplexed.load(Relaxed) {
            self.since.store(self.now(), Relaxed);
            self.has_begun_head.store(true, Relaxed);
        }
    }

    /// The send buffer is full.
    pub(super) fn write_blocked(&self) {
        if self.blocked_since.load(Relaxed) == NOT_BLOCKED {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    /// The client read something. A long answer may take any time while it makes progress.
    pub(super) fn write_progressed(&self) {
        if self.blocked_since.load(Relaxed) != NOT_BLOCKED {
            self.since.store(self.now(), Relaxed);
            self.blocked_since.store(NOT_BLOCKED, Relaxed);
        }
    }

    /// A request begins. It is in progress until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> InProgress {
        self.since.store(self.now(), Relaxed);
        self.in_progress.fetch_add(1, Relaxed);
        self.has_begun_head.store(false, Relaxed);
        if version == Version::HTTP_2 {
            self.is_multiplexed.store(true, Relaxed);
        }
        InProgress(self.clone())
    }

    /// Resolves with the wait that exceeded its timeout.
    pub(super) async fn timed_out(&self, timeouts: &Timeouts) -> Wait {
        loop {
            let (wait, deadline) = self.wait(timeouts);
            let left = deadline.saturating_sub(Duration::from_millis(self.now()));
            if left.is_zero() {
                return wait;
            }
            // Sleep no longer than the shortest timeout: a wait that begins meanwhile may have less
            // time.
            tokio::time::sleep(left.min(timeouts.shortest())).await;
        }
    }

    fn wait(&self, timeouts: &Timeouts) -> (Wait, Duration) {
        let blocked_since = self.blocked_since.load(Relaxed);
        if blocked_since != NOT_BLOCKED {
            return (Wait::Reader, Duration::from_millis(blocked_since) + timeouts.send);
        }
        let since = Duration::from_millis(self.since.load(Relaxed));
        if self.in_progress.load(Relaxed) > 0 {
            (Wait::Answer, since + timeouts.answer)
        } else if self.has_begun_head.load(Relaxed) {
            (Wait::Head, since + timeouts.head)
        } else {
            (Wait::Request, since + timeouts.idle)
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A request in progress, until its answer is sent or dropped.
#[derive(Debug)]
pub(super) struct InProgress(Arc<ConnectionActivity>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.since.store(self.0.now(), Relaxed);
        self.0.in_progress.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        head: Duration::from_secs(1),
        answer: Duration::from_secs(2),
        send: Duration::from_secs(3),
        idle: Duration::from_secs(4),
    };

    fn waits_for(activity: &ConnectionActivity) -> Wait {
        activity.wait(&TIMEOUTS).0
    }

    #[test]
    fn a_connection_waits_for_head_answer_reader_and_next_request() {
        let activity = Arc::new(ConnectionActivity::new());
        assert_eq!(waits_for(&activity), Wait::Head);
        activity.bytes_received();
        let first = activity.begin(Version::HTTP_11);
        assert_eq!(waits_for(&activity), Wait::Answer);
        activity.bytes_received();
        assert_eq!(waits_for(&activity), Wait::Answer, "those bytes were the body");
        activity.write_blocked();
        assert_eq!(waits_for(&activity), Wait::Reader);
        activity.write_progressed();
        drop(first);
        assert_eq!(waits_for(&activity), Wait::Request);
        activity.bytes_received();
        assert_eq!(waits_for(&activity), Wait::Head);
    }

    #[test]
    fn over_http_2_only_requests_count() {
        let activity = Arc::new(ConnectionActivity::new());
        let (first, second) = (activity.begin(Version::HTTP_2), activity.begin(Version::HTTP_2));
        drop(first);
        assert_eq!(waits_for(&activity), Wait::Answer, "the other request is in progress");
        drop(second);
        activity.bytes_received();
        assert_eq!(waits_for(&activity), Wait::Request, "a ping is no request");
    }

    #[test]
    fn a_blocked_write_counts_from_when_it_began() {
        let activity = ConnectionActivity::new();
        activity.blocked_since.store(7, Relaxed);
        activity.write_blocked();
        assert_eq!(activity.wait(&TIMEOUTS), (Wait::Reader, Duration::from_millis(3007)));
    }
}
