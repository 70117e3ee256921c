//! Watch: a front end learns that its session has ended, and why.
//!
//! Every end is in SQL before it is anywhere else. So each node asks SQL, a few times a second, for the latest ends: once for all of
//! its watchers, and not at all while it has none. Now and then a watcher also looks for itself, since time ends a session too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};
use tokio::time::timeout;

use crate::domain::Result;
use crate::domain::client::Credentials;
use crate::domain::clock::Timestamp;
use crate::domain::session::{EndReason, SessionEnd, SessionId};
use crate::service::Service;
use crate::service::metrics::measured;

/// How often the latest ends are asked for: a watcher learns of one within a second.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(400);
/// How far back that question goes beyond the one before: nodes have different clocks, and a commit takes its time.
const OVERLAP: Duration = Duration::from_mins(1);
/// How often a watcher looks for itself.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// Everybody who waits for the end of a session at this node.
pub(crate) struct Watchers(Mutex<Watched>);

struct Watched {
    by_session: HashMap<SessionId, Sender<Option<SessionEnd>>>,
    asked_at: Timestamp,
}

/// Somebody who waits for the end of a session.
pub struct SessionWatch {
    service: Arc<Service>,
    session: SessionId,
    end: Receiver<Option<SessionEnd>>,
}

impl Watchers {
    pub(crate) fn none(now: Timestamp) -> Self {
        Self(Mutex::new(Watched {
            by_session: HashMap::new(),
            asked_at: now,
        }))
    }

    fn wait_for(&self, session: SessionId) -> Receiver<Option<SessionEnd>> {
        let mut watched = self.lock();
        let sender = watched.by_session.entry(session).or_insert_with(|| Sender::new(None));
        sender.subscribe()
    }

    /// Since when ends are to be asked for; `None` if nobody waits any more.
    fn asked_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut watched = self.lock();
        watched.by_session.retain(|_, sender| sender.receiver_count() > 0);
        if watched.by_session.is_empty() {
            watched.asked_at = now;
            return None;
        }
        Some(watched.asked_at)
    }

    fn tell(&self, ends: Vec<SessionEnd>, now: Timestamp) {
        let mut watched = self.lock();
        watched.asked_at = now;
        for end in ends {
            if let Some(sender) = watched.by_session.remove(&end.session) {
                sender.send_replace(Some(end));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Waits for the end of the session that the access token belongs to. The token may expire meanwhile; a session that is over
    /// already, as for a client that was away, is no error either.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason; `Unavailable`.
    pub async fn watch_session(self: Arc<Self>, credentials: &Credentials) -> Result<SessionWatch> {
        let watch = async {
            let session = self.verify_unexpired(credentials).await?.session;
            // Waited for before it is looked at: an end in between is not missed.
            let end = self.watchers.wait_for(session);
            let found = self.look_for_end(session).await?;
            Ok((session, found.map_or(end, |found| Sender::new(Some(found)).subscribe())))
        };
        let (session, end) = measured("watch_session", watch).await?;
        Ok(SessionWatch {
            service: self,
            session,
            end,
        })
    }

    /// Tells the watchers at this node which sessions have ended. Called every `WATCH_INTERVAL`.
    ///
    /// # Errors
    /// `Unavailable`; what has not been told is told later.
    pub async fn tell_watchers(&self) -> Result<()> {
        let now = self.parts.clock.now();
        if let Some(asked_at) = self.watchers.asked_at(now) {
            let ends = self.parts.sessions.ends_since(asked_at.minus(OVERLAP)).await?;
            self.watchers.tell(ends, now);
        }
        Ok(())
    }

    async fn look_for_end(&self, session: SessionId) -> Result<Option<SessionEnd>> {
        let now = self.parts.clock.now();
        if self.parts.sessions.find(session, now).await?.is_some() {
            return Ok(None);
        }
        let expired = SessionEnd {
            session,
            reason: EndReason::Expired,
            at: now,
        };
        Ok(Some(self.parts.sessions.find_end(session).await?.unwrap_or(expired)))
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
            // A store that is down says nothing of the session: the next look may.
            if let Ok(Some(end)) = self.service.look_for_end(self.session).await {
                return end;
            }
        }
    }
}
