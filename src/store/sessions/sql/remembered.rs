//! Sessions as SQLite told of them, believed for as long as its file does not say otherwise.
//!
//! Nobody has to tell this memory of a change: the file itself shows whether anything was committed, by whomever. It is looked at for
//! every question, which costs far less than to read the session and its account anew. Once something was, one statement for everybody
//! who asks reads the notes that triggers have written since, and the sessions that they name are forgotten; what was committed besides,
//! sign-ins and renewals for the most part, costs no more than that.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::bounded_cache::{BoundedCache, CacheWeight};
use crate::domain::account::Account;
use crate::domain::session::{LiveSession, SessionId};
use crate::domain::{Error, Result};
use crate::store::batch::Batcher;
use crate::store::sessions::sql::change_log::{self, News};
use crate::store::sql::database::Database;
use crate::store::sql::witness::{FileVersion, Witness};

/// Most memory for all sessions, in bytes.
const MOST: usize = 8 << 20;
/// How long one is believed without a new look: for SQL that no trigger sees, as `INSERT OR REPLACE`.
const LONGEST: Duration = Duration::from_mins(1);
/// The latest notes that are kept, for those who read a session while one was written.
const LATEST: usize = 64;

/// What one file told.
pub(crate) struct Remembered {
    /// `None` within for a database that is a server, or whose file cannot be watched.
    witness: OnceCell<Option<Witness>>,
    sessions: BoundedCache<SessionId, Told>,
    followed: Mutex<Followed>,
    /// One follows, for all who wait.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Told {
    read_at: Instant,
    live: LiveSession,
}

impl CacheWeight for Told {
    const ORDINARY: usize = 256;

    fn bytes(&self) -> usize {
        size_of::<(Self, Account)>() + self.live.account.memory()
    }
}

/// How far the notes were followed.
#[derive(Default)]
struct Followed {
    /// Nothing was written to the file between this and the latest note.
    at: Option<FileVersion>,
    /// Changes with what may make the notes say nothing: other triggers, or another database restored into the file.
    schema: i64,
    /// How many have begun to follow, and which of them was the latest to be done.
    begun: u64,
    done: u64,
    mark: Mark,
    latest: VecDeque<(i64, SessionId)>,
}

/// A point in the history of the notes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mark {
    /// How often everything was forgotten.
    forgotten: u64,
    /// The number of the latest note.
    number: i64,
}

impl Remembered {
    pub(crate) fn nothing() -> Self {
        Self {
            witness: OnceCell::new(),
            sessions: BoundedCache::of(MOST),
            followed: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Finds a session that has not been ended and its account as they are now, from memory or by `lookup`. Of a session that was
    /// renewed since, memory does not know it: one that `is_live` does not take is read anew.
    pub(crate) async fn find(
        &self,
        id: SessionId,
        is_live: impl Fn(&LiveSession) -> bool,
        database: &Database,
        lookup: &Batcher<SessionId, LiveSession>,
    ) -> Result<Option<LiveSession>> {
        let Some((witness, version)) = self.look(database).await else {
            return lookup.ask(id).await;
        };
        if !self.is_followed(version) {
            // Boxed, as most requests have nothing to follow: every one would carry its size about.
            let followed = Box::pin(timeout(database.statement_timeout(), self.follow(witness, database)));
            followed.await.map_err(Error::unavailable)??;
        }
        if let Some(told) = self.sessions.find(&id)
            && told.read_at.elapsed() < LONGEST
            && is_live(&told.live)
        {
            return Ok(Some(told.live));
        }
        let (read_at, since) = (Instant::now(), self.followed().mark);
        let live = lookup.ask(id).await?;
        if let Some(live) = live.clone() {
            self.remember(Told { read_at, live }, since);
        }
        Ok(live)
    }

    /// The file's version now; `None` where it cannot be seen.
    async fn look(&self, database: &Database) -> Option<(&Witness, FileVersion)> {
        let watched = match self.witness.get() {
            Some(watched) => watched,
            // Boxed, as it happens once.
            None => Box::pin(self.witness.get_or_init(|| watch(database))).await,
        };
        let witness = watched.as_ref()?;
        Some((witness, witness.version()?))
    }

    fn is_followed(&self, version: FileVersion) -> bool {
        self.followed().at == Some(version)
    }

    /// Forgets what is no longer so.
    async fn follow(&self, witness: &Witness, database: &Database) -> Result<()> {
        let begun_before = self.followed().begun;
        let _turn = self.turn.lock().await;
        let (number, own) = {
            let mut followed = self.followed();
            // Somebody else has done it meanwhile, and began after this question.
            if followed.done > begun_before {
                return Ok(());
            }
            followed.begun += 1;
            (followed.mark.number, followed.begun)
        };
        // First the version: what is written between the two makes the notes newer than it says, which does no harm.
        let at = witness.version();
        let news = change_log::news_after(database, number).await?;
        let mut followed = self.followed();
        if followed.take(&news) {
            for id in &news.sessions {
                self.sessions.forget(id);
            }
        } else {
            self.sessions.forget_all();
        }
        followed.at = at;
        followed.done = own;
        Ok(())
    }

    /// Remembers what was read from the database after the notes had been followed to this mark, unless one was written of it meanwhile.
    fn remember(&self, told: Told, since: Mark) {
        let followed = self.followed();
        // Under the lock, so that nobody follows in between.
        if followed.has_no_note_of(told.live.session.id, since) {
            self.sessions.remember(told.live.session.id, told);
        }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    /// Takes note of what is new; false if that does not tell all that has happened since.
    fn take(&mut self, news: &News) -> bool {
        // SQLite gives numbers without a gap, so as many notes as numbers are all of them: none was swept unread.
        let is_all = news.has_ends
            && self.schema == news.schema
            && i64::try_from(news.sessions.len()) == Ok(news.number - self.mark.number);
        if is_all {
            self.latest
                .extend((self.mark.number + 1..).zip(news.sessions.iter().copied()));
            self.latest.drain(..self.latest.len().saturating_sub(LATEST));
        } else {
            self.mark.forgotten += 1;
            self.latest.clear();
            self.schema = news.schema;
        }
        self.mark.number = news.number;
        is_all
    }

    /// Whether it is certain that no note names this session after the mark.
    fn has_no_note_of(&self, id: SessionId, since: Mark) -> bool {
        let newer = self.latest.iter().filter(|(number, _)| *number > since.number);
        self.mark.forgotten == since.forgotten
            && i64::try_from(newer.clone().count()) == Ok(self.mark.number - since.number)
            && newer.clone().all(|(_, named)| *named != id)
    }
}

async fn watch(database: &Database) -> Option<Witness> {
    database.witness().await.unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the database file cannot be watched: sessions are read from it each time"
        );
        None
    })
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sessions]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(schema: i64, number: i64, sessions: &[SessionId]) -> News {
        let sessions = sessions.to_vec();
        News {
            schema,
            has_ends: true,
            number,
            sessions,
        }
    }

    #[test]
    fn what_the_notes_do_not_tell_is_not_taken_for_nothing() {
        let [one, two] = [SessionId::fresh(), SessionId::fresh()];
        let mut followed = Followed::default();
        assert!(!followed.take(&news(3, 40, &[])), "older ones were never read");
        assert!(followed.take(&news(3, 40, &[])));
        assert!(followed.take(&news(3, 42, &[one, two])));
        assert!(!followed.take(&news(3, 44, &[two])), "one was swept");
        assert!(!followed.take(&news(4, 44, &[])), "other triggers");
        assert!(!followed.take(&news(4, 43, &[])), "an older file");
        assert!(followed.take(&news(4, 43, &[])));
        let of_an_older_schema = News {
            has_ends: false,
            ..news(4, 43, &[])
        };
        assert!(!followed.take(&of_an_older_schema));
    }

    #[test]
    fn what_was_read_before_a_note_of_it_is_not_remembered() {
        let [one, other] = [SessionId::fresh(), SessionId::fresh()];
        let mut followed = Followed::default();
        followed.take(&news(3, 7, &[]));
        let before = followed.mark;
        assert!(followed.has_no_note_of(one, before));
        followed.take(&news(3, 8, &[one]));
        assert!(!followed.has_no_note_of(one, before));
        assert!(followed.has_no_note_of(one, followed.mark), "it was read afterwards");
        assert!(followed.has_no_note_of(other, before));
        followed.take(&news(3, 8 + 64, &[other; LATEST]));
        assert!(!followed.has_no_note_of(one, before), "older than what is kept");
        let before = followed.mark;
        followed.take(&news(4, 8 + 64, &[]));
        assert!(!followed.has_no_note_of(one, before), "everything was forgotten");
    }
}
