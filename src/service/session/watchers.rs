//! The watchers at this node, which wait for the end of their session.
//!
//! Every end is in SQL before it is in Redis. A node that has watchers polls SQL a few times a
//! second for the latest ends, with one query for all watchers. A watcher also looks for its own
//! session now and then, because a session that expires is no row in SQL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};
use tokio::time::timeout;

use crate::domain::Result;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::session::{EndReason, SessionEnd, SessionId};
use crate::store::SessionStore;

/// How often the latest ends are polled. A watcher learns of an end within a second.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(400);
/// How far a poll reaches back before the previous one: the clocks of nodes differ, and a commit
/// takes time.
const OVERLAP: Duration = Duration::from_mins(1);
/// How often a watcher looks for its own session.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// The watchers at this node.
pub struct Watchers {
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    watched: Mutex<Watched>,
}

struct Watched {
    by_session: HashMap<SessionId, Sender<Option<SessionEnd>>>,
    polled_at: Timestamp,
}

/// Waits for the end of one session.
pub struct SessionWatch {
    watchers: Arc<Watchers>,
    session: SessionId,
    end: Receiver<Option<SessionEnd>>,
}

impl Watchers {
    pub(crate) fn new(sessions: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Self {
        let watched = Mutex::new(Watched {
            by_session: HashMap::new(),
            polled_at: clock.now(),
        });
        Self {
            sessions,
            clock,
            watched,
        }
    }

    /// A watch of this session. If the session has ended already, the watch ends at once.
    pub(crate) async fn watch(self: &Arc<Self>, session: SessionId) -> Result<SessionWatch> {
        // Subscribed before the look: an end in between is not missed.
        let end = self.subscribe(session);
        let found = self.find_end(session).await?;
        Ok(SessionWatch {
            watchers: self.clone(),
            session,
            end: found.map_or(end, |found| Sender::new(Some(found)).subscribe()),
        })
    }

    fn subscribe(&self, session: SessionId) -> Receiver<Option<SessionEnd>> {
        let mut watched = self.lock();
        let sender = watched.by_session.entry(session).or_insert_with(|| Sender::new(None));
        sender.subscribe()
    }

    /// Notifies the watchers of the sessions that have ended since the last poll.
    pub(crate) async fn poll(&self) -> Result<()> {
        let now = self.clock.now();
        if let Some(polled_at) = self.polled_at(now) {
            let ends = self.sessions.ends_since(polled_at.minus(OVERLAP)).await?;
            self.notify(ends, now);
        }
        Ok(())
    }

    /// When ends were last polled; `None` if there is no watcher.
    fn polled_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut watched = self.lock();
        watched.by_session.retain(|_, sender| sender.receiver_count() > 0);
        if watched.by_session.is_empty() {
            watched.polled_at = now;
            return None;
        }
        Some(watched.polled_at)
    }

    fn notify(&self, ends: Vec<SessionEnd>, now: Timestamp) {
        let mut watched = self.lock();
        watched.polled_at = now;
        for end in ends {
            if let Some(sender) = watched.by_session.remove(&end.session) {
                sender.send_replace(Some(end));
            }
        }
    }

    async fn find_end(&self, session: SessionId) -> Result<Option<SessionEnd>> {
        let now = self.clock.now();
        if self.sessions.find(session, now).await?.is_some() {
            return Ok(None);
        }
        let expired = SessionEnd {
            session,
            reason: EndReason::Expired,
            at: now,
        };
        Ok(Some(self.sessions.find_end(session).await?.unwrap_or(expired)))
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionWatch {
    /// Waits until the session has ended.
    pub async fn end(mut self) -> SessionEnd {
        loop {
            if let Some(end) = *self.end.borrow_and_update() {
                return end;
            }
            if let Ok(Ok(())) = timeout(LOOK_INTERVAL, self.end.changed()).await {
                continue;
            }
            // While a store is down, it is unknown whether the session is live. Look again later.
            if let Ok(Some(end)) = self.watchers.find_end(self.session).await {
                return end;
            }
        }
    }
}
