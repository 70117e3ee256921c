//! Sessions as SQLite told of them, believed for as long as nobody has written to its file since.
//!
//! Nobody has to tell this memory of a change: the file itself shows whether anything was committed, by whomever. It is looked at for
//! every question, which costs far less than to read the session and its account anew. Where the file is written all the time, this
//! remembers nothing for long, and everything is read from it.

use std::fmt;

use quick_cache::sync::Cache;
use tokio::sync::OnceCell;

use crate::domain::Result;
use crate::domain::session::{LiveSession, SessionId};
use crate::store::batch::Batcher;
use crate::store::database::Database;
use crate::store::witness::{FileVersion, Witness};

/// Most sessions that are remembered, in a few hundred bytes each; none of it is taken before it is needed.
const MOST: usize = 16_384;

/// What one file told.
pub(super) struct Remembered {
    /// `None` within for a database that is a server, or whose file cannot be watched.
    witness: OnceCell<Option<Witness>>,
    sessions: Cache<SessionId, Told>,
}

#[derive(Clone)]
struct Told {
    /// No older than the file was then.
    at: FileVersion,
    live: Option<LiveSession>,
}

impl Remembered {
    pub(super) fn nothing() -> Self {
        Self {
            witness: OnceCell::new(),
            sessions: Cache::new(MOST),
        }
    }

    /// Finds a session as it is now, from memory or by `lookup`.
    pub(super) async fn find(
        &self,
        id: SessionId,
        database: &Database,
        lookup: &Batcher<SessionId, LiveSession>,
    ) -> Result<Option<LiveSession>> {
        // First the version: what is written between the two makes the answer newer than it says, which does no harm.
        let Some(at) = self.version(database).await else {
            return lookup.ask(id).await;
        };
        if let Some(told) = self.sessions.get(&id)
            && told.at == at
        {
            return Ok(told.live);
        }
        let live = lookup.ask(id).await?;
        self.sessions.insert(id, Told { at, live: live.clone() });
        Ok(live)
    }

    async fn version(&self, database: &Database) -> Option<FileVersion> {
        let watched = match self.witness.get() {
            Some(watched) => watched,
            // Boxed, as it happens once: every request would carry its size about.
            None => Box::pin(self.witness.get_or_init(|| watch(database))).await,
        };
        watched.as_ref()?.version()
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
