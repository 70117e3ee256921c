//! Signing keys in SQL.

use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::signing_key::StoredSigningKey;
use crate::store::sql::database::Database;
use crate::store::sql::entity::signing_keys::{ActiveModel, Column, Entity};

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
        self.list_on(&self.database.connection()).await
    }

    /// Stores `successor`, gives the keys before it their end, and forgets those whose end is past; nothing of it, unless `predecessor` still
    /// is the newest key. Nodes that do so at the same time take turns, and one of them succeeds.
    pub async fn succeed(
        &self,
        predecessor: Option<&str>,
        successor: &StoredSigningKey,
        verifies_until: Timestamp,
    ) -> Result<()> {
        let turn = self.database.take_key_turn().await?;
        let newest = self.list_on(&turn).await?.into_iter().next();
        if newest.as_ref().map(|key| key.kid.as_str()) == predecessor {
            self.replace(&turn, successor, verifies_until).await?;
        }
        self.database.answer(turn.commit()).await
    }

    /// Stores the private half of a key anew, unless that has been done in the meantime.
    pub async fn replace_sealed(&self, old: &StoredSigningKey, new: &StoredSigningKey) -> Result<()> {
        let replaced = Entity::update_many()
            .col_expr(Column::SealedPrivateKey, new.sealed_private_key.clone().into())
            .filter(Column::Kid.eq(old.kid.clone()))
            .filter(Column::SealedPrivateKey.eq(old.sealed_private_key.clone()));
        self.database.answer(replaced.exec(&self.database.writer())).await?;
        Ok(())
    }

    async fn replace(
        &self,
        turn: &DatabaseTransaction,
        successor: &StoredSigningKey,
        verifies_until: Timestamp,
    ) -> Result<()> {
        let forgotten = Entity::delete_many().filter(Column::VerifiesUntil.lt(successor.created_at.millis()));
        self.database.answer(forgotten.exec(turn)).await?;
        let ended = Entity::update_many()
            .col_expr(Column::VerifiesUntil, verifies_until.millis().into())
            .filter(Column::VerifiesUntil.is_null());
        self.database.answer(ended.exec(turn)).await?;
        let stored = Entity::insert(ActiveModel::from(successor));
        self.database.answer(stored.exec_without_returning(turn)).await?;
        Ok(())
    }

    async fn list_on(&self, connection: &impl ConnectionTrait) -> Result<Vec<StoredSigningKey>> {
        let keys = Entity::find()
            .order_by_desc(Column::SignsFrom)
            .order_by_asc(Column::Kid);
        let rows = self.database.answer(keys.all(connection)).await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}
