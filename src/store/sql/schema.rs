//! Migrations of the schema: applied, pending, up and down.

use std::collections::HashSet;
use std::fmt;

use migration::{Migration, Migrator, MigratorTrait, seaql_migrations};
use sea_orm::EntityTrait;

use crate::domain::Result;
use crate::store::sql::database::Database;
use crate::store::sql::error::failure;

/// A migration step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    pub name: String,
    pub is_applied: bool,
}

impl Database {
    /// Every step, oldest first.
    pub async fn migrations(&self) -> Result<Vec<MigrationState>> {
        let steps = Migrator::get_migration_files();
        let pending = if self.has_exactly(&steps).await {
            Vec::new()
        } else {
            let connection = self.connection();
            let pending = Migrator::get_pending_migrations_read_only(&connection);
            pending.await.map_err(failure)?
        };
        let is_pending = |name: &str| pending.iter().any(|step| step.name() == name);
        let states = steps
            .iter()
            .map(|step| MigrationState {
                name: step.name().to_owned(),
                is_applied: !is_pending(step.name()),
            })
            .collect();
        Ok(states)
    }

    /// Whether exactly these steps are applied; false if the table cannot be read. This saves the
    /// library's check for the table, which takes PostgreSQL longer than the rest of a start.
    async fn has_exactly(&self, steps: &[Migration]) -> bool {
        let applied = seaql_migrations::Entity::find().all(&self.connection()).await;
        let names: HashSet<&str> = steps.iter().map(Migration::name).collect();
        applied.is_ok_and(|applied| names == applied.iter().map(|row| row.version.as_str()).collect())
    }

    /// Applies every pending step. Nodes that start together take turns.
    pub async fn migrate_up(&self) -> Result<()> {
        let transaction = self.lock_migrations().await?;
        Migrator::up(&transaction, None).await.map_err(failure)?;
        transaction.commit().await.map_err(failure)
    }

    /// Reverts the latest `steps` steps; all of them for `None`.
    pub async fn migrate_down(&self, steps: Option<u32>) -> Result<()> {
        let transaction = self.lock_migrations().await?;
        Migrator::down(&transaction, steps).await.map_err(failure)?;
        transaction.commit().await.map_err(failure)
    }
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<8} {}",
            if self.is_applied { "applied" } else { "pending" },
            self.name
        )
    }
}
