//! Sessions as SQLite told of them, believed for as long as nobody has written to its file since.
//!
//! Nobody has to tell this memory of a change: SQLite itself says whether anything was committed, by whomever: this process, the command
//! line, somebody with a shell. It is asked at every question, together with whoever asks at the same time, which costs far less than
//! to read the session and its account anew. Where the file is written all the time, this remembers nothing for long, and everything
//! is read from it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use quick_cache::sync::Cache;
use tokio::sync::OnceCell;

use crate::domain::Result;
use crate::domain::session::{LiveSession, SessionId};
use crate::store::batch::Batcher;
use crate::store::database::{Database, FileVersion, Witness};

/// Most sessions that are remembered, in a few hundred bytes each; none of it is taken before it is needed.
const MOST: usize = 16_384;

/// What one file told.
pub(super) struct Remembered {
    versions: Batcher<(), FileVersion>,
    sessions: Cache<SessionId, Told>,
}

#[derive(Clone)]
struct Told {
    /// No older than the file was then.
    at: FileVersion,
    live: Option<LiveSession>,
}

impl Remembered {
    /// For a database that is a file; `None` for a server.
    pub(super) fn of(database: &Database) -> Option<Self> {
        let witness = Arc::new(OnceCell::new());
        let (patience, database) = (database.patience(), database.is_file().then(|| database.clone())?);
        let versions = Batcher::new(patience, move |_| {
            let (witness, database) = (witness.clone(), database.clone());
            async move {
                let witness: &Witness = witness.get_or_try_init(|| database.witness()).await?;
                Ok(HashMap::from([((), witness.version().await?)]))
            }
            .boxed()
        });
        Some(Self {
            versions,
            sessions: Cache::new(MOST),
        })
    }

    /// Finds a session as it is now, from memory or by `lookup`.
    pub(super) async fn find(
        &self,
        id: SessionId,
        lookup: &Batcher<SessionId, LiveSession>,
    ) -> Result<Option<LiveSession>> {
        // First the version: what is written between the two questions makes the answer newer than it says, which does no harm.
        let Ok(Some(at)) = self.versions.ask(()).await else {
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
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sessions]")
    }
}
