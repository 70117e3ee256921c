//! The database.

use std::path::{Path, PathBuf};

use clap::Args;
use url::Url;

use crate::domain::secret::SecretString;

/// The database to use.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server; secret, because the address may contain a password.
    Postgres(SecretString),
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct DatabaseSettings {
    /// SQLite file, `sqlite://PATH`, or PostgreSQL address,
    /// `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(long, global = true, default_value = "sqlite://data/auth.db", value_parser = database_url)]
    pub database_url: DatabaseUrl,
}

impl DatabaseUrl {
    /// The folder for files that belong to this database: beside a SQLite file, otherwise `data`.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        match self {
            Self::Sqlite(file) => file.parent().unwrap_or(Path::new("")).to_owned(),
            Self::Postgres(_) => PathBuf::from("data"),
        }
    }
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    let rule = "must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE, for example sqlite://data/auth.db";
    if let Some(path) = text.strip_prefix("sqlite://") {
        let is_file =
            !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#', '\0']) && !path.starts_with(':');
        return if is_file {
            Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
        } else {
            Err(rule.to_owned())
        };
    }
    let url = Url::parse(text).map_err(|_| rule.to_owned())?;
    if matches!(url.scheme(), "postgres" | "postgresql") && url.path().len() > 1 {
        Ok(DatabaseUrl::Postgres(SecretString::new(text.to_owned())))
    } else {
        Err(rule.to_owned())
    }
}
