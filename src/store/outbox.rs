//! The outbox in SQL. Messages enter it in the transaction of the change that they report, and
//! workers of all nodes take them out. `domain::outbox` explains how a use case sends a message.
//!
//! A claim moves the next attempt into the future: a lease. While it holds, no other worker sees
//! the message. If the node dies, the message becomes due again by itself. The clocks of the
//! nodes may differ by less than what a lease is longer than a delivery.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, UpdateMany};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::encryption::{Encryption, EncryptionContext};
use crate::domain::outbox::{Message, MessageId, NewMessage, UndeliveredMessage};
use crate::store::sql::database::{Database, Sweep};
use crate::store::sql::entity::outbox::{ActiveModel, Column, Entity, Model};

/// How long delivered and failed messages can be looked up, without their contents.
const RETENTION: Duration = Duration::from_hours(7 * 24);
/// Most messages that one statement gives up. It precedes each claim, so it must be short.
const GIVE_UP_BATCH: u64 = 100;
/// Most messages that one sweep deletes.
const SWEEP_BATCH: u64 = 1000;
/// Most characters of an error that are stored.
const ERROR_LENGTH: usize = 500;

/// The messages that wait for their delivery.
#[derive(Clone)]
pub struct Outbox {
    database: Database,
    encryption: Arc<dyn Encryption>,
    announcements: Arc<Notify>,
}

/// A message in a transaction that is not committed yet.
#[must_use = "announce it after the commit"]
pub struct Enqueued {
    kind: &'static str,
    announcements: Arc<Notify>,
}

impl Enqueued {
    /// Wakes the worker of this node. Called after the commit.
    pub fn announce(self) {
        counter!("auth_gateway_outbox_queued_total", "kind" => self.kind).increment(1);
        self.announcements.notify_one();
    }
}

impl Outbox {
    /// The outbox of this database, with encrypted contents.
    #[must_use]
    pub fn new(database: Database, encryption: Arc<dyn Encryption>) -> Self {
        Self {
            database,
            encryption,
            announcements: Arc::default(),
        }
    }

    /// Stores a message that reports no change of the database.
    pub async fn enqueue(&self, message: &NewMessage) -> Result<()> {
        self.enqueue_in(&self.database.writer(), message).await?.announce();
        Ok(())
    }

    /// Stores a message in the caller's transaction: it is delivered if that commits, and else
    /// never existed.
    pub(crate) async fn enqueue_in(
        &self,
        transaction: &impl ConnectionTrait,
        message: &NewMessage,
    ) -> Result<Enqueued> {
        let contents = message.contents.expose();
        let row = ActiveModel {
            id: Set(message.id.0),
            kind: Set(message.kind.to_owned()),
            sealed_contents: Set(Some(self.encryption.seal(contents, context(message.id, message.kind))?)),
            account_id: Set(message.account.map(|account| account.0)),
            created_at: Set(message.created_at.millis()),
            next_attempt_at: Set(message.created_at.millis()),
            expires_at: Set(message.expires_at().millis()),
            attempts: Set(0),
            last_error: Set(None),
            delivered_at: Set(None),
            failed_at: Set(None),
        };
        let insert = Entity::insert(row);
        self.database.run(insert.exec_without_returning(transaction)).await?;
        Ok(Enqueued {
            kind: message.kind,
            announcements: self.announcements.clone(),
        })
    }

    /// Waits until a message is announced on this node.
    pub async fn announced(&self) {
        self.announcements.notified().await;
    }

    /// Takes messages that are due, the ones that waited longest first. Until the lease ends, no
    /// other claim returns them.
    pub async fn claim(&self, now: Timestamp, lease: Duration, limit: u64) -> Result<Vec<Message>> {
        let update = Entity::update_many()
            .col_expr(Column::NextAttemptAt, Expr::value(now.plus(lease).millis()))
            .col_expr(Column::Attempts, Column::Attempts.into_expr().add(1))
            .filter(self.is_one_of(due(now, limit)));
        let writer = self.database.writer();
        let rows = self.database.run(update.exec_with_returning(&writer)).await?;
        Ok(rows.into_iter().filter_map(|row| self.open(row)).collect())
    }

    /// PostgreSQL may run a subquery of `IN` more than once, and then locks more rows than the
    /// limit. It runs that of `ARRAY` once.
    fn is_one_of(&self, rows: SelectStatement) -> Expr {
        if self.database.is_postgres() {
            Expr::cust_with_expr("\"id\" = ANY(ARRAY $1)", Expr::from(rows))
        } else {
            Column::Id.in_subquery(rows)
        }
    }

    /// Contents that do not open were sealed under another `AUTH_SECRET`. The message stays,
    /// because the operator may set that secret again.
    fn open(&self, row: Model) -> Option<Message> {
        let id = MessageId(row.id);
        let sealed = row.sealed_contents.unwrap_or_default();
        let Some(contents) = self.encryption.open(&sealed, context(id, &row.kind)) else {
            tracing::warn!(
                message = %id.0,
                kind = row.kind,
                "the contents of a message in the outbox cannot be opened with this AUTH_SECRET"
            );
            return None;
        };
        Some(Message {
            id,
            kind: row.kind,
            contents,
            account: row.account_id.map(AccountId),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            attempts: u32::try_from(row.attempts).unwrap_or_default(),
        })
    }

    /// Records a delivery, and deletes the contents.
    pub async fn record_delivery(&self, message: &Message, now: Timestamp) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::DeliveredAt, Expr::value(now.millis()))
            .col_expr(Column::SealedContents, Expr::value(None::<Vec<u8>>))
            .filter(Column::Id.eq(message.id.0))
            .filter(is_pending());
        self.update(update).await.map(drop)
    }

    /// Records a failure, and when to try again. Without effect if another worker has claimed the
    /// message in the meantime.
    pub async fn record_failure(&self, message: &Message, error: &str, next: Timestamp) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::NextAttemptAt, Expr::value(next.millis()))
            .col_expr(Column::LastError, Expr::value(shortened(error)))
            .filter(is_claimed_as(message));
        self.update(update).await.map(drop)
    }

    /// Gives a message up, and deletes the contents. `None` if another worker has claimed it in
    /// the meantime.
    pub async fn give_up(&self, message: &Message, error: &str, now: Timestamp) -> Result<Option<UndeliveredMessage>> {
        let update = giving_up(now)
            .col_expr(Column::LastError, Expr::value(shortened(error)))
            .filter(is_claimed_as(message));
        Ok(self.update(update).await?.pop().map(UndeliveredMessage::from))
    }

    /// Gives up a batch of messages that have expired. Each one is returned at most once, on one
    /// node.
    pub async fn give_up_expired(&self, now: Timestamp) -> Result<Vec<UndeliveredMessage>> {
        let update = giving_up(now).filter(is_pending()).filter(self.is_one_of(expired(now)));
        let rows = self.update(update).await?;
        Ok(rows.into_iter().map(UndeliveredMessage::from).collect())
    }

    /// When the oldest message that waits was stored.
    pub async fn oldest_pending(&self) -> Result<Option<Timestamp>> {
        let oldest = Entity::find()
            .select_only()
            .column_as(Column::CreatedAt.min(), "oldest")
            .filter(is_pending())
            .into_tuple::<Option<i64>>();
        let oldest = self.database.run(oldest.one(&self.database.connection())).await?;
        Ok(oldest.flatten().map(Timestamp::from_millis))
    }

    /// Deletes a batch of old messages, and returns how many. Zero also while another node sweeps.
    /// A message that old has expired, also if no worker has ever looked at it.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let Some(transaction) = self.database.try_lock_sweep(Sweep::Outbox).await? else {
            return Ok(0);
        };
        let old = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::CreatedAt.lt(now.minus(RETENTION).millis()))
            .limit(SWEEP_BATCH);
        let ids: Vec<Uuid> = self.database.run(old.into_tuple().all(&transaction)).await?;
        let removed = Entity::delete_many().filter(Column::Id.is_in(ids));
        let removed = self.database.run(removed.exec(&transaction)).await?.rows_affected;
        // Also without rows: the lock of a dropped transaction is released some time later.
        self.database.run(transaction.commit()).await?;
        Ok(removed)
    }

    async fn update(&self, update: UpdateMany<Entity>) -> Result<Vec<Model>> {
        let writer = self.database.writer();
        self.database.run(update.exec_with_returning(&writer)).await
    }
}

/// Rows that another claim has locked at this moment are passed over. SQLite has one writer, and
/// its statements lock no rows.
fn due(now: Timestamp, limit: u64) -> SelectStatement {
    Query::select()
        .column(Column::Id)
        .from(Entity)
        .cond_where(is_pending())
        .and_where(Column::NextAttemptAt.lte(now.millis()))
        .and_where(Column::ExpiresAt.gt(now.millis()))
        .order_by(Column::NextAttemptAt, sea_orm::Order::Asc)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .to_owned()
}

/// A message that is being delivered may still arrive, so its lease is waited for.
fn expired(now: Timestamp) -> SelectStatement {
    Query::select()
        .column(Column::Id)
        .from(Entity)
        .cond_where(is_pending())
        .and_where(Column::ExpiresAt.lte(now.millis()))
        .and_where(Column::NextAttemptAt.lte(now.millis()))
        .limit(GIVE_UP_BATCH)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .to_owned()
}

fn is_pending() -> Condition {
    Condition::all()
        .add(Column::DeliveredAt.is_null())
        .add(Column::FailedAt.is_null())
}

/// Whether the latest claim of a message is this one.
fn is_claimed_as(message: &Message) -> Condition {
    is_pending()
        .add(Column::Id.eq(message.id.0))
        .add(Column::Attempts.eq(message.attempts))
}

fn giving_up(now: Timestamp) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::FailedAt, Expr::value(now.millis()))
        .col_expr(Column::SealedContents, Expr::value(None::<Vec<u8>>))
}

fn shortened(error: &str) -> String {
    error.chars().take(ERROR_LENGTH).collect()
}

fn context(id: MessageId, kind: &str) -> EncryptionContext<'_> {
    EncryptionContext {
        purpose: kind,
        id: id.0,
        columns: &[],
    }
}

impl From<Model> for UndeliveredMessage {
    fn from(row: Model) -> Self {
        Self {
            id: MessageId(row.id),
            kind: row.kind,
            account: row.account_id.map(AccountId),
            attempts: u32::try_from(row.attempts).unwrap_or_default(),
            last_error: row.last_error,
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseUrl;
    use crate::domain::secret::SecretBytes;
    use crate::security::PayloadEncryption;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const LEASE: Duration = Duration::from_mins(1);

    fn message() -> NewMessage {
        NewMessage {
            id: MessageId::fresh(),
            kind: "test",
            contents: SecretBytes::new(b"contents".to_vec()),
            account: None,
            created_at: START,
            useless_at: START.plus(Duration::from_hours(1)),
        }
    }

    #[tokio::test]
    async fn a_message_is_stored_by_the_commit_of_its_transaction_and_not_before() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::connect(&DatabaseUrl::Sqlite(folder.path().join("test.db")))
            .await
            .unwrap();
        database.migrate_up().await.unwrap();
        let secrets = [SecretBytes::new(vec![1; 32])];
        let encryption = Arc::new(PayloadEncryption::new(&secrets, "outbox").unwrap());
        let outbox = Outbox::new(database.clone(), encryption);

        let transaction = database.begin_write().await.unwrap();
        let enqueued = outbox.enqueue_in(&transaction, &message()).await.unwrap();
        assert_eq!(outbox.oldest_pending().await.unwrap(), None);
        transaction.rollback().await.unwrap();
        drop(enqueued);
        assert!(outbox.claim(START, LEASE, 10).await.unwrap().is_empty());

        let (transaction, committed) = (database.begin_write().await.unwrap(), message());
        let enqueued = outbox.enqueue_in(&transaction, &committed).await.unwrap();
        transaction.commit().await.unwrap();
        enqueued.announce();
        let announced = tokio::time::timeout(Duration::from_secs(10), outbox.announced());
        announced.await.unwrap();
        let claimed = outbox.claim(START, LEASE, 10).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|message| message.id).collect();
        assert_eq!(ids, [committed.id]);
    }
}
