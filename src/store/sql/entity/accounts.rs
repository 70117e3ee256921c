//! The table `accounts`.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use crate::domain::account::{Account, AccountId, NewAccount};
use crate::domain::credential::{AccountCredentials, CredentialsVersion};
use crate::domain::password::PasswordHash;
use crate::store::sql::row::RowReader;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    #[sea_orm(unique)]
    pub email_key: String,
    pub username: String,
    #[sea_orm(unique)]
    pub username_key: String,
    pub password_hash: Option<String>,
    pub credentials_version: i64,
    pub profile_image_url: Option<String>,
    /// Separated by blanks, as OAuth scopes are.
    pub roles: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The columns of [`Account`] beside its id, in the order in which [`public_account`] reads them.
/// Every statement that returns an account selects these.
pub(crate) const PUBLIC: [Column; 4] = [Column::Email, Column::Username, Column::ProfileImageUrl, Column::Roles];

/// Reads the columns of [`PUBLIC`]. `None` if the account is gone: a connection without foreign
/// keys may delete an account and leave its sessions.
pub(crate) fn public_account(id: Uuid, row: &mut RowReader<'_>) -> Result<Option<Account>, DbErr> {
    let Some(email) = row.read()? else {
        return Ok(None);
    };
    Ok(Some(Account {
        id: AccountId(id),
        email,
        username: row.read()?,
        profile_image_url: row.read()?,
        roles: roles(&row.read::<String>()?),
    }))
}

impl From<Model> for Account {
    fn from(row: Model) -> Self {
        Self {
            id: AccountId(row.id),
            email: row.email,
            username: row.username,
            profile_image_url: row.profile_image_url,
            roles: roles(&row.roles),
        }
    }
}

impl From<Model> for AccountCredentials {
    fn from(mut row: Model) -> Self {
        Self {
            email_key: std::mem::take(&mut row.email_key),
            password_hash: row.password_hash.take().map(PasswordHash),
            version: CredentialsVersion(row.credentials_version),
            account: row.into(),
        }
    }
}

impl From<&NewAccount> for ActiveModel {
    fn from(account: &NewAccount) -> Self {
        let public = account.public();
        Self {
            id: Set(account.id.0),
            email: Set(public.email),
            email_key: Set(account.email.key().to_owned()),
            username: Set(public.username),
            username_key: Set(account.username.key()),
            password_hash: Set(account.password_hash.as_ref().map(|hash| hash.0.clone())),
            credentials_version: Set(1),
            profile_image_url: Set(public.profile_image_url),
            roles: Set(public.roles.join(" ")),
            created_at: Set(account.created_at.millis()),
        }
    }
}

fn roles(stored: &str) -> Vec<String> {
    stored.split_whitespace().map(str::to_owned).collect()
}
