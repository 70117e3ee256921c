//! The schema of the database: what was applied, what is pending, and how it gets there.

use std::collections::HashSet;
use std::fmt;

use migration::{Migration, Migrator, MigratorTrait, seaql_migrations};
use sea_orm::EntityTrait;

use crate::domain::Result;
use crate::store::sql::database::{Database, failure};

/// A step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether it has been applied.
    pub is_applied: bool,
}

impl Database {
    /// Every step of the schema, oldest first.
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

    /// Whether these steps were applied, all of them and no other; false also where that cannot be told. The library asks first whether
    /// there is a list of them, which takes PostgreSQL longer than all else that a start asks.
    async fn has_exactly(&self, steps: &[Migration]) -> bool {
        let applied = seaql_migrations::Entity::find().all(&self.connection()).await;
        let names: HashSet<&str> = steps.iter().map(Migration::name).collect();
        applied.is_ok_and(|applied| names == applied.iter().map(|row| row.version.as_str()).collect())
    }

    /// Applies every pending step. Nodes that start together take turns, and the later ones find nothing to do.
    pub async fn migrate_up(&self) -> Result<()> {
        let turn = self.take_turn().await?;
        Migrator::up(&turn, None).await.map_err(failure)?;
        turn.commit().await.map_err(failure)
    }

    /// Takes back the latest `steps` steps, all of them for `None`.
    pub async fn migrate_down(&self, steps: Option<u32>) -> Result<()> {
        let turn = self.take_turn().await?;
        Migrator::down(&turn, steps).await.map_err(failure)?;
        turn.commit().await.map_err(failure)
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
