//! What a connection waits for, and since when.
//!
//! The sockets and requests of a connection note here what happens; one timer looks at the notes, so none is set or cleared for a
//! request. Notes are atomic because the streams of an HTTP/2 connection are tasks of their own; each stands for itself, so no order
//! among them is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::http::Version;

/// How long a client may let us wait.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the head of a request, from its first byte on; for the first one, from the connection on.
    pub head: Duration,
    /// For an answer, until the client takes it: the time of the work on it, and that of sending.
    pub answer: Duration,
    /// With a full line, until the client reads on.
    pub send: Duration,
    /// Without any request.
    pub idle: Duration,
}

impl Timeouts {
    /// No deadline that begins now ends sooner.
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
    /// That the client reads.
    Reader,
    /// The next request.
    Request,
}

impl Wait {
    /// For the log and the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Answer => "answer",
            Self::Reader => "reader",
            Self::Request => "request",
        }
    }
}

/// The notes of one connection. Times are milliseconds since it began.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    born: Instant,
    /// When the wait began, unless the line is full.
    since: AtomicU64,
    /// When the line was found full; `FREE` when it is not.
    full_since: AtomicU64,
    in_progress: AtomicU32,
    has_begun_head: AtomicBool,
    is_multiplexed: AtomicBool,
}

const FREE: u64 = u64::MAX;

impl ConnectionActivity {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            since: AtomicU64::new(0),
            full_since: AtomicU64::new(FREE),
            in_progress: AtomicU32::new(0),
            // Who connects has something to say.
            has_begun_head: AtomicBool::new(true),
            is_multiplexed: AtomicBool::new(false),
        }
    }

    /// Bytes came. Between requests they are a head's; of HTTP/2, they may be pings as well, so there only the next request counts.
    pub(super) fn heard(&self) {
        let is_between = self.in_progress.load(Relaxed) == 0 && !self.has_begun_head.load(Relaxed);
        if is_between && !self.is_multiplexed.load(Relaxed) {
            self.since.store(self.now(), Relaxed);
            self.has_begun_head.store(true, Relaxed);
        }
    }

    /// The line takes no more.
    pub(super) fn line_is_full(&self) {
        if self.full_since.load(Relaxed) == FREE {
            self.full_since.store(self.now(), Relaxed);
        }
    }

    /// The line takes something. A long answer may take long, as long as it moves on.
    pub(super) fn line_is_free(&self) {
        if self.full_since.load(Relaxed) != FREE {
            self.since.store(self.now(), Relaxed);
            self.full_since.store(FREE, Relaxed);
        }
    }

    /// A request has come. It is in progress until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> InProgress {
        self.since.store(self.now(), Relaxed);
        self.in_progress.fetch_add(1, Relaxed);
        self.has_begun_head.store(false, Relaxed);
        if version == Version::HTTP_2 {
            self.is_multiplexed.store(true, Relaxed);
        }
        InProgress(self.clone())
    }

    /// Resolves when the client has let us wait for too long, and says for what.
    pub(super) async fn overdue(&self, timeouts: &Timeouts) -> Wait {
        loop {
            let (wait, deadline) = self.wait(timeouts);
            let left = deadline.saturating_sub(Duration::from_millis(self.now()));
            if left.is_zero() {
                return wait;
            }
            // A wait that begins meanwhile, and has less time than this one, is not over before the look after it.
            tokio::time::sleep(left.min(timeouts.shortest())).await;
        }
    }

    fn wait(&self, timeouts: &Timeouts) -> (Wait, Duration) {
        let full_since = self.full_since.load(Relaxed);
        if full_since != FREE {
            return (Wait::Reader, Duration::from_millis(full_since) + timeouts.send);
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
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A request that is in progress, until its answer has been handed over or given up.
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

    const PATIENCE: Timeouts = Timeouts {
        head: Duration::from_secs(1),
        answer: Duration::from_secs(2),
        send: Duration::from_secs(3),
        idle: Duration::from_secs(4),
    };

    fn waits_for(activity: &ConnectionActivity) -> Wait {
        activity.wait(&PATIENCE).0
    }

    #[test]
    fn a_connection_waits_for_one_thing_after_the_other() {
        let activity = Arc::new(ConnectionActivity::new());
        assert_eq!(waits_for(&activity), Wait::Head);
        activity.heard();
        let first = activity.begin(Version::HTTP_11);
        assert_eq!(waits_for(&activity), Wait::Answer);
        activity.heard();
        assert_eq!(waits_for(&activity), Wait::Answer, "that was the body");
        activity.line_is_full();
        assert_eq!(waits_for(&activity), Wait::Reader);
        activity.line_is_free();
        drop(first);
        assert_eq!(waits_for(&activity), Wait::Request);
        activity.heard();
        assert_eq!(waits_for(&activity), Wait::Head);
    }

    #[test]
    fn on_a_connection_of_many_streams_only_requests_count() {
        let activity = Arc::new(ConnectionActivity::new());
        let (first, second) = (activity.begin(Version::HTTP_2), activity.begin(Version::HTTP_2));
        drop(first);
        assert_eq!(waits_for(&activity), Wait::Answer, "there is another one");
        drop(second);
        activity.heard();
        assert_eq!(waits_for(&activity), Wait::Request, "a ping is no request");
    }

    #[test]
    fn a_line_that_stays_full_is_full_since_it_was() {
        let activity = ConnectionActivity::new();
        activity.full_since.store(7, Relaxed);
        activity.line_is_full();
        assert_eq!(activity.wait(&PATIENCE), (Wait::Reader, Duration::from_millis(3007)));
    }
}
