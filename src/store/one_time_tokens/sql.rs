//! One-time tokens in SQL: each step is one statement.
//!
//! A statement repeats every condition in its own `WHERE`. PostgreSQL lets the second of two
//! updates of a row wait, and then checks the conditions again on the new row; SQLite has one
//! writer.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::encryption::Encryption;
use crate::domain::one_time_token::{
    CodeAttempt, CountedTry, NewOneTimeToken, OpenedToken, TokenDigest, TokenId, TokenPurpose, TokenSubject,
};
use crate::store::one_time_tokens::contract::OneTimeTokenStore;
use crate::store::one_time_tokens::payload::{Payloads, SealedToken};
use crate::store::sql::database::{Database, Sweep};
use crate::store::sql::entity::one_time_tokens::{ActiveModel, Column, Entity, Model};

/// Most tokens that one sweep deletes.
const SWEEP_BATCH: u64 = 1000;

/// One-time tokens in a database.
pub struct SqlTokens {
    database: Database,
    payloads: Payloads,
}

impl SqlTokens {
    /// One-time tokens in this database, with encrypted payloads.
    #[must_use]
    pub fn new(database: Database, encryption: Arc<dyn Encryption>) -> Self {
        Self {
            database,
            payloads: Payloads::new(encryption),
        }
    }

    /// Runs an update of at most one row, and returns the row as the update left it.
    async fn update(&self, update: UpdateMany<Entity>) -> Result<Option<Model>> {
        let writer = self.database.writer();
        let rows = self.database.run(update.exec_with_returning(&writer)).await?;
        Ok(rows.into_iter().next())
    }

    fn open(&self, row: Model, purpose: TokenPurpose, presented: TokenDigest) -> Option<OpenedToken> {
        let sealed = SealedToken {
            id: TokenId(row.id),
            subject: row.subject.map(TokenSubject::from_stored),
            expires_at: Timestamp::from_millis(row.expires_at),
            max_tries: u32::try_from(row.max_tries).ok()?,
            sealed_payload: row.sealed_payload,
        };
        self.payloads.open(sealed, purpose, presented)
    }
}

/// A token of this purpose that is neither used nor expired.
fn is_unused(purpose: TokenPurpose, now: Timestamp) -> Condition {
    Condition::all()
        .add(Column::Purpose.eq(purpose.name()))
        .add(Column::ConsumedAt.is_null())
        .add(Column::ExpiresAt.gt(now.millis()))
}

fn has_tries_left() -> Expr {
    Column::Tries.into_expr().lt(Column::MaxTries.into_expr())
}

fn with_digest(digest: TokenDigest) -> Expr {
    Column::Digest.eq(digest.0.to_vec())
}

fn tries_left(row: &Model) -> u32 {
    u32::try_from(row.max_tries.saturating_sub(row.tries)).unwrap_or_default()
}

#[async_trait]
impl OneTimeTokenStore for SqlTokens {
    async fn create(&self, token: &NewOneTimeToken) -> Result<()> {
        let rules = token.purpose.rules();
        let subject = token.subject.as_ref().map(|subject| subject.as_str().to_owned());
        let row = ActiveModel {
            id: Set(token.id.0),
            purpose: Set(rules.name.to_owned()),
            exclusive_subject: Set(subject.clone().filter(|_| rules.replaces_earlier)),
            subject: Set(subject),
            digest: Set(token.digest.0.to_vec()),
            sealed_payload: Set(self.payloads.seal(token)?),
            tries: Set(0),
            max_tries: Set(i32::try_from(rules.max_tries).unwrap_or(i32::MAX)),
            created_at: Set(token.created_at.millis()),
            expires_at: Set(token.expires_at().millis()),
            consumed_at: Set(None),
        };
        let replacement = OnConflict::columns([Column::ExclusiveSubject, Column::Purpose])
            .update_columns([
                Column::Id,
                Column::Digest,
                Column::SealedPayload,
                Column::Tries,
                Column::MaxTries,
                Column::CreatedAt,
                Column::ExpiresAt,
                Column::ConsumedAt,
            ])
            .to_owned();
        let insert = Entity::insert(row).on_conflict(replacement);
        let writer = self.database.writer();
        self.database
            .run(insert.exec_without_returning(&writer))
            .await
            .map(drop)
    }

    async fn consume(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>> {
        let update = Entity::update_many()
            .col_expr(Column::ConsumedAt, Expr::value(now.millis()))
            .filter(with_digest(digest))
            .filter(is_unused(purpose, now));
        let row = self.update(update).await?;
        Ok(row.and_then(|row| self.open(row, purpose, digest)))
    }

    async fn peek(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>> {
        let live = Entity::find()
            .filter(with_digest(digest))
            .filter(is_unused(purpose, now))
            .filter(has_tries_left());
        let row = self.database.run(live.one(&self.database.connection())).await?;
        Ok(row.and_then(|row| self.open(row, purpose, digest)))
    }

    async fn count_try(
        &self,
        digest: TokenDigest,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<CountedTry>> {
        let update = Entity::update_many()
            .col_expr(Column::Tries, Column::Tries.into_expr().add(1))
            .filter(with_digest(digest))
            .filter(is_unused(purpose, now))
            .filter(has_tries_left());
        let row = self.update(update).await?;
        Ok(row.and_then(|row| {
            let tries_left = tries_left(&row);
            let token = self.open(row, purpose, digest)?;
            Some(CountedTry { token, tries_left })
        }))
    }

    async fn try_code(
        &self,
        id: TokenId,
        purpose: TokenPurpose,
        digests: &[TokenDigest],
        now: Timestamp,
    ) -> Result<CodeAttempt> {
        // SQL does not compare in constant time. Without the key of the HMAC the time reveals
        // nothing.
        let is_right = Column::Digest.is_in(digests.iter().map(|digest| digest.0.to_vec()));
        let consumed_at = Expr::case(is_right, now.millis()).finally(Column::ConsumedAt.into_expr());
        let update = Entity::update_many()
            .col_expr(Column::Tries, Column::Tries.into_expr().add(1))
            .col_expr(Column::ConsumedAt, consumed_at.into())
            .filter(Column::Id.eq(id.0))
            .filter(is_unused(purpose, now))
            .filter(has_tries_left());
        let Some(row) = self.update(update).await? else {
            return Ok(CodeAttempt::Gone);
        };
        if row.consumed_at.is_none() {
            let tries_left = tries_left(&row);
            return Ok(CodeAttempt::Wrong { tries_left });
        }
        let matched = digests.iter().find(|digest| row.digest == digest.0);
        let token = matched.and_then(|digest| self.open(row, purpose, *digest));
        Ok(token.map_or(CodeAttempt::Gone, CodeAttempt::Right))
    }

    async fn find_code(
        &self,
        subject: &TokenSubject,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenId>> {
        let newest = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Subject.eq(subject.as_str()))
            .filter(is_unused(purpose, now))
            .order_by_desc(Column::CreatedAt);
        let newest = newest.into_tuple::<Uuid>();
        let id = self.database.run(newest.one(&self.database.connection())).await?;
        Ok(id.map(TokenId))
    }

    async fn revoke_all(&self, subject: &TokenSubject, purposes: &[TokenPurpose], _now: Timestamp) -> Result<()> {
        let revoked = Entity::delete_many()
            .filter(Column::Subject.eq(subject.as_str()))
            .filter(Column::Purpose.is_in(purposes.iter().map(|purpose| purpose.name())));
        self.database.run(revoked.exec(&self.database.writer())).await.map(drop)
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let Some(transaction) = self.database.try_lock_sweep(Sweep::OneTimeTokens).await? else {
            return Ok(0);
        };
        let is_over = Condition::any()
            .add(Column::ConsumedAt.is_not_null())
            .add(Column::ExpiresAt.lte(now.millis()));
        let mut over = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(is_over)
            .limit(SWEEP_BATCH);
        // `revoke_all` locks several rows too, in another order. A sweep that waits for one of them
        // while it holds others would be a deadlock.
        if self.database.is_postgres() {
            over = over.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        let ids: Vec<Uuid> = self.database.run(over.into_tuple().all(&transaction)).await?;
        let removed = Entity::delete_many().filter(Column::Id.is_in(ids));
        let removed = self.database.run(removed.exec(&transaction)).await?.rows_affected;
        // Also without rows: the lock of a dropped transaction is released some time later.
        self.database.run(transaction.commit()).await?;
        Ok(removed)
    }
}
