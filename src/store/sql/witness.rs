//! Whether a SQLite file has changed, without asking SQLite.
//!
//! In WAL mode every commit ends with writing the header of the WAL index, which all connections share: it says which state of the file
//! a reader that begins now will see ("WAL-mode File Format", section 2.1). While its bytes are the same, whatever is read is the same,
//! whoever may write: this process, the command line, somebody with a shell. To read them is one system call, and no other thread has
//! to get its turn for it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, ConnectOptions as _};

use crate::domain::{Error, Result};
use crate::store::sql::connect::pragmas;

/// The first copy of the header; the second is for readers that meet a writer, and we only compare.
const HEADER: usize = 48;

/// Sees every commit to one file.
pub(crate) struct Witness {
    index: &'static File,
    /// Never asked for anything: as long as it is open, so is the index.
    _keeper: Mutex<SqliteConnection>,
}

/// The state of a file. Two that are the same are one state: the header counts commits, and holds checksums of what they wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileVersion([u8; HEADER]);

impl Witness {
    /// A witness of this file, which is in WAL mode.
    pub(crate) async fn of(file: &Path) -> Result<Self> {
        let options = pragmas(SqliteConnectOptions::new().filename(file));
        let mut keeper = options.connect().await.map_err(Error::unavailable)?;
        // The first read makes the index.
        let reading = sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut keeper);
        reading.await.map_err(Error::unavailable)?;
        let mut index = file.as_os_str().to_owned();
        index.push("-shm");
        let index = File::open(index).map_err(Error::unavailable)?;
        Ok(Self {
            // Never closed: with the first descriptor that a process closes, all of its locks on the file go (POSIX, fcntl), SQLite's too.
            index: Box::leak(Box::new(index)),
            _keeper: Mutex::new(keeper),
        })
    }

    /// The version of the file now; `None` if that cannot be seen.
    pub(crate) fn version(&self) -> Option<FileVersion> {
        let mut header = [0; HEADER];
        let read = self.index.read_exact_at(&mut header, 0);
        read.ok().map(|()| FileVersion(header))
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::Executor;

    use super::*;

    #[tokio::test]
    async fn every_commit_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.db");
        let options = pragmas(SqliteConnectOptions::new().filename(&file)).create_if_missing(true);
        let mut writer = options.connect().await.unwrap();
        writer.execute("CREATE TABLE t (n INTEGER)").await.unwrap();
        let witness = Witness::of(&file).await.unwrap();

        let mut seen = vec![witness.version().unwrap()];
        for number in 0..3 {
            writer.execute("BEGIN IMMEDIATE").await.unwrap();
            writer.execute("INSERT INTO t VALUES (1)").await.unwrap();
            writer.execute("SELECT * FROM t").await.unwrap();
            assert_eq!(witness.version(), seen.last().copied(), "nothing is committed yet");
            writer.execute("COMMIT").await.unwrap();
            let version = witness.version().unwrap();
            assert!(!seen.contains(&version), "commit {number} is not seen");
            seen.push(version);
            // What SQLite does by itself now and then: from here on it writes the log from its start.
            writer.execute("PRAGMA wal_checkpoint(RESTART)").await.unwrap();
            seen.push(witness.version().unwrap());
        }
        writer.execute("BEGIN IMMEDIATE; ROLLBACK").await.unwrap();
        assert_eq!(witness.version(), seen.last().copied(), "nothing was written");
    }
}
