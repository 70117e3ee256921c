//! Signing keys in SQL.

use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::signing_key::StoredSigningKey;
use crate::store::sql::database::Database;
use crate::store::sql::entity::signing_keys::{ActiveModel, Column, Entity};

#[derive(Debug, Clone)]
pub struct SigningKeys {
    database: Database,
}

impl SigningKeys {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// All keys, newest first.
    pub async fn list(&self) -> Result<Vec<StoredSigningKey>> {
        self.list_on(&self.database.connection()).await
    }

    /// Stores `successor`, gives the keys before it an end, and removes keys whose end has passed.
    /// Nothing changes if `predecessor` is no longer the newest key: of several nodes that publish
    /// a successor at the same time, one wins.
    pub async fn publish_successor(
        &self,
        predecessor: Option<&str>,
        successor: &StoredSigningKey,
        verifies_until: Timestamp,
    ) -> Result<()> {
        let transaction = self.database.lock_signing_keys().await?;
        let newest = self.list_on(&transaction).await?.into_iter().next();
        if newest.as_ref().map(|key| key.kid.as_str()) == predecessor {
            self.replace(&transaction, successor, verifies_until).await?;
        }
        self.database.run(transaction.commit()).await
    }

    /// Replaces the sealed private key, unless it has changed meanwhile.
    pub async fn replace_sealed(&self, old: &StoredSigningKey, new: &StoredSigningKey) -> Result<()> {
        let replaced = Entity::update_many()
            .col_expr(Column::SealedPrivateKey, new.sealed_private_key.clone().into())
            .filter(Column::Kid.eq(old.kid.clone()))
            .filter(Column::SealedPrivateKey.eq(old.sealed_private_key.clone()));
        self.database.run(replaced.exec(&self.database.writer())).await?;
        Ok(())
    }

    async fn replace(
        &self,
        transaction: &DatabaseTransaction,
        successor: &StoredSigningKey,
        verifies_until: Timestamp,
    ) -> Result<()> {
        let expired = Entity::delete_many().filter(Column::VerifiesUntil.lt(successor.created_at.millis()));
        self.database.run(expired.exec(transaction)).await?;
        let ended = Entity::update_many()
            .col_expr(Column::VerifiesUntil, verifies_until.millis().into())
            .filter(Column::VerifiesUntil.is_null());
        self.database.run(ended.exec(transaction)).await?;
        let stored = Entity::insert(ActiveModel::from(successor));
        self.database.run(stored.exec_without_returning(transaction)).await?;
        Ok(())
    }

    async fn list_on(&self, connection: &impl ConnectionTrait) -> Result<Vec<StoredSigningKey>> {
        let keys = Entity::find()
            .order_by_desc(Column::SignsFrom)
            .order_by_asc(Column::Kid);
        let rows = self.database.run(keys.all(connection)).await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}
