//! The table `accounts`.

use sea_orm::entity::prelude::*;

use crate::domain::account::{Account, AccountId, AccountWithPassword, PasswordHash};

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
    pub password_hash: String,
    pub profile_image_url: Option<String>,
    /// Separated by blanks, as scopes are.
    pub roles: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What is public of an account, and its roles, as a statement selects them.
pub(crate) const PUBLIC: [Column; 4] = [Column::Email, Column::Username, Column::ProfileImageUrl, Column::Roles];
/// The values of these columns.
pub(crate) type Public = (String, String, Option<String>, String);

/// The account with this id and these columns.
pub(crate) fn account(id: Uuid, (email, username, profile_image_url, stored_roles): Public) -> Account {
    Account {
        id: AccountId(id),
        email,
        username,
        profile_image_url,
        roles: roles(&stored_roles),
    }
}

impl From<Model> for Account {
    fn from(row: Model) -> Self {
        account(row.id, (row.email, row.username, row.profile_image_url, row.roles))
    }
}

/// The roles that are stored so.
fn roles(stored: &str) -> Vec<String> {
    stored.split_whitespace().map(str::to_owned).collect()
}

impl From<Model> for AccountWithPassword {
    fn from(mut row: Model) -> Self {
        let password_hash = PasswordHash(std::mem::take(&mut row.password_hash));
        let email_key = std::mem::take(&mut row.email_key);
        Self {
            account: row.into(),
            email_key,
            password_hash,
        }
    }
}
