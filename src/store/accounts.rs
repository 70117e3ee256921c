//! Accounts in SQL.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr};

use crate::domain::account::{Account, AccountId, Identifier, NewAccount};
use crate::domain::credential::AccountCredentials;
use crate::domain::password::PasswordHash;
use crate::domain::session::NewSession;
use crate::domain::{Error, Result};
use crate::store::sql::database::Database;
use crate::store::sql::entity::accounts::{ActiveModel, Column, Entity, Model};
use crate::store::sql::entity::sessions;
use crate::store::sql::error::failure;

/// How many stored hashes [`Accounts::sample_password_hashes`] returns at most.
const SAMPLE: u64 = 1000;

/// The accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    database: Database,
}

impl Accounts {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Creates an account and its first session: both, or neither.
    ///
    /// # Errors
    /// `EmailTaken` or `UsernameTaken`. The unique indexes decide at the insert: a check beforehand
    /// would let two simultaneous registrations through.
    pub async fn create(&self, account: &NewAccount, session: &NewSession) -> Result<()> {
        match self.insert(account, session).await {
            // If both are taken, SQLite and PostgreSQL report different ones.
            Err(Error::UsernameTaken) if self.is_email_taken(account).await? => Err(Error::EmailTaken),
            outcome => outcome,
        }
    }

    async fn is_email_taken(&self, account: &NewAccount) -> Result<bool> {
        let identifier = Identifier::Email(account.email.clone());
        Ok(self.find_by_identifier(&identifier).await?.is_some())
    }

    async fn insert(&self, account: &NewAccount, session: &NewSession) -> Result<()> {
        let transaction = self.database.begin_write().await?;
        let account = Entity::insert(ActiveModel::from(account));
        self.database
            .run_or(taken, account.exec_without_returning(&transaction))
            .await?;
        let session = sessions::Entity::insert(sessions::ActiveModel::from(session));
        self.database.run(session.exec_without_returning(&transaction)).await?;
        self.database.run(transaction.commit()).await
    }

    /// The account with this e-mail or username, with its credentials.
    pub async fn find_by_identifier(&self, identifier: &Identifier) -> Result<Option<AccountCredentials>> {
        let matches = match identifier {
            Identifier::Email(email) => Column::EmailKey.eq(email.key()),
            Identifier::Username(username) => Column::UsernameKey.eq(username.key()),
        };
        let row = Entity::find().filter(matches);
        let row = self.database.run(row.one(&self.database.connection())).await?;
        Ok(row.map(Into::into))
    }

    /// The account with this id, with its credentials.
    pub async fn find_credentials(&self, id: AccountId) -> Result<Option<AccountCredentials>> {
        Ok(self.find_row(id).await?.map(Into::into))
    }

    /// The account with this id.
    pub async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        Ok(self.find_row(id).await?.map(Into::into))
    }

    async fn find_row(&self, id: AccountId) -> Result<Option<Model>> {
        let row = Entity::find_by_id(id.0);
        self.database.run(row.one(&self.database.connection())).await
    }

    /// The password hashes of up to a thousand accounts. Ids are random, so the accounts are a
    /// representative sample of the hash parameters in use.
    pub async fn sample_password_hashes(&self) -> Result<Vec<PasswordHash>> {
        let hashes = Entity::find()
            .select_only()
            .column(Column::PasswordHash)
            .filter(Column::PasswordHash.is_not_null())
            .order_by_asc(Column::Id)
            .limit(SAMPLE)
            .into_tuple::<String>();
        let hashes = self.database.run(hashes.all(&self.database.connection())).await?;
        Ok(hashes.into_iter().map(PasswordHash).collect())
    }

    /// Replaces a hash by another one of the same password, unless the hash has changed meanwhile.
    /// Such a rehash is no change of credentials.
    pub async fn rehash_password(&self, id: AccountId, old: &PasswordHash, new: &PasswordHash) -> Result<()> {
        let replaced = Entity::update_many()
            .col_expr(Column::PasswordHash, new.0.clone().into())
            .filter(Column::Id.eq(id.0))
            .filter(Column::PasswordHash.eq(old.0.clone()));
        self.database.run(replaced.exec(&self.database.writer())).await?;
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
