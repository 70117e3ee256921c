//! Accounts in SQL.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr};

use crate::domain::account::{Account, AccountId, AccountWithPassword, Identifier, NewAccount, PasswordHash};
use crate::domain::session::NewSession;
use crate::domain::{Error, Result};
use crate::store::sql::database::{Database, failure};
use crate::store::sql::entity::{accounts, sessions};

/// How many accounts are looked at for what all of them have.
const SAMPLE: u64 = 1000;

/// The accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    database: Database,
}

impl Accounts {
    /// Accounts in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes an account together with its first session: both, or neither.
    ///
    /// # Errors
    /// `EmailTaken` or `UsernameTaken`, found by the unique indexes at the insert: a look beforehand would let two
    /// registrations through at once.
    pub async fn create(&self, account: &NewAccount, session: &NewSession) -> Result<()> {
        match self.insert(account, session).await {
            // Where both are taken, the databases differ in which they report.
            Err(Error::UsernameTaken) if self.is_email_taken(account).await? => Err(Error::EmailTaken),
            outcome => outcome,
        }
    }

    async fn is_email_taken(&self, account: &NewAccount) -> Result<bool> {
        Ok(self
            .find_for_login(&Identifier::Email(account.email.clone()))
            .await?
            .is_some())
    }

    async fn insert(&self, account: &NewAccount, session: &NewSession) -> Result<()> {
        let transaction = self.database.begin_write().await?;
        let row = accounts::ActiveModel {
            id: Set(account.id.0),
            email: Set(account.email.as_str().to_owned()),
            email_key: Set(account.email.key().to_owned()),
            username: Set(account.username.as_str().to_owned()),
            username_key: Set(account.username.key()),
            password_hash: Set(account.password_hash.0.clone()),
            profile_image_url: Set(None),
            roles: Set(account.public().roles.join(" ")),
            created_at: Set(account.created_at.millis()),
        };
        self.database
            .answer_or(
                taken,
                accounts::Entity::insert(row).exec_without_returning(&transaction),
            )
            .await?;
        let session = sessions::ActiveModel::from(session);
        self.database
            .answer(sessions::Entity::insert(session).exec_without_returning(&transaction))
            .await?;
        self.database.answer(transaction.commit()).await
    }

    /// The account with this e-mail or username, to check a password against.
    pub async fn find_for_login(&self, identifier: &Identifier) -> Result<Option<AccountWithPassword>> {
        let is_identified = match identifier {
            Identifier::Email(email) => accounts::Column::EmailKey.eq(email.key()),
            Identifier::Username(username) => accounts::Column::UsernameKey.eq(username.key()),
        };
        let row = self
            .database
            .answer(
                accounts::Entity::find()
                    .filter(is_identified)
                    .one(&self.database.connection()),
            )
            .await?;
        Ok(row.map(Into::into))
    }

    /// The account with this id, to check a password against.
    pub async fn find_with_password(&self, id: AccountId) -> Result<Option<AccountWithPassword>> {
        let row = self
            .database
            .answer(accounts::Entity::find_by_id(id.0).one(&self.database.connection()))
            .await?;
        Ok(row.map(Into::into))
    }

    /// The password hashes of up to a thousand accounts, for their costs. Ids are random, so these are accounts like all others: a cost
    /// that none of them has, hardly anybody has.
    pub async fn some_password_hashes(&self) -> Result<Vec<PasswordHash>> {
        let hashes = accounts::Entity::find()
            .select_only()
            .column(accounts::Column::PasswordHash)
            .order_by_asc(accounts::Column::Id)
            .limit(SAMPLE);
        let hashes = self
            .database
            .answer(hashes.into_tuple::<String>().all(&self.database.connection()))
            .await?;
        Ok(hashes.into_iter().map(PasswordHash).collect())
    }

    /// The account with this id.
    pub async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        let row = self
            .database
            .answer(accounts::Entity::find_by_id(id.0).one(&self.database.connection()))
            .await?;
        Ok(row.map(Into::into))
    }

    /// Replaces a password hash, unless it has been replaced in the meantime.
    pub async fn replace_password_hash(&self, id: AccountId, old: &PasswordHash, new: &PasswordHash) -> Result<()> {
        self.database
            .answer(
                accounts::Entity::update_many()
                    .col_expr(accounts::Column::PasswordHash, new.0.clone().into())
                    .filter(accounts::Column::Id.eq(id.0))
                    .filter(accounts::Column::PasswordHash.eq(old.0.clone()))
                    .exec(&self.database.writer()),
            )
            .await?;
        Ok(())
    }
}

/// Both databases name the column or its index in the violation.
fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(message)) if message.contains("email_key") => Error::EmailTaken,
        Some(SqlErr::UniqueConstraintViolation(message)) if message.contains("username_key") => Error::UsernameTaken,
        _ => failure(error),
    }
}
