//! Signing keys in SQL.

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};

use super::database::{Database, failure};
use super::entity::signing_keys;
use crate::domain::Result;
use crate::domain::signing_key::StoredSigningKey;

/// The signing keys.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    database: Database,
}

impl SigningKeys {
    /// Signing keys in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// All keys, newest first.
    pub async fn list(&self) -> Result<Vec<StoredSigningKey>> {
        list(self.database.connection()).await
    }

    /// Stores `fresh` if there is no key yet, and returns all keys. Nodes that start together agree on one.
    pub async fn store_first(&self, fresh: &StoredSigningKey) -> Result<Vec<StoredSigningKey>> {
        let turn = self.database.take_turn().await?;
        if list(&turn).await?.is_empty() {
            let row = signing_keys::ActiveModel::from(fresh);
            signing_keys::Entity::insert(row)
                .exec_without_returning(&turn)
                .await
                .map_err(failure)?;
        }
        let keys = list(&turn).await?;
        turn.commit().await.map_err(failure)?;
        Ok(keys)
    }
}

async fn list(connection: &impl ConnectionTrait) -> Result<Vec<StoredSigningKey>> {
    let rows = signing_keys::Entity::find()
        .order_by_desc(signing_keys::Column::CreatedAt)
        .order_by_asc(signing_keys::Column::Kid)
        .all(connection)
        .await
        .map_err(failure)?;
    Ok(rows.into_iter().map(Into::into).collect())
}
