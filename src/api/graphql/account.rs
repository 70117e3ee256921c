//! The caller's own account.

use async_graphql::{Context, ID, Object, SimpleObject};
use uuid::Uuid;

use crate::api::graphql::context::{request_context, service};
use crate::api::graphql::error::null_with;
use crate::domain::account::Account;

#[derive(Default)]
pub(crate) struct AccountQuery;

/// The public fields of an account.
#[derive(SimpleObject)]
pub(crate) struct User {
    /// The same value as `uuid`, for clients that cache objects by their `id`.
    id: ID,
    /// The permanent identifier of the account; the `sub` claim of its access tokens.
    uuid: Uuid,
    /// The e-mail address as it was entered at registration.
    email: String,
    /// The username as it was entered at registration.
    username: String,
    /// The URL of the account's picture.
    profile_image_url: Option<String>,
}

impl From<&Account> for User {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.0.into(),
            uuid: account.id.0,
            email: account.email.clone(),
            username: account.username.clone(),
            profile_image_url: account.profile_image_url.clone(),
        }
    }
}

#[Object]
impl AccountQuery {
    /// The account of the caller, identified by the access token in `Authorization: Bearer …`.
    /// Without a valid access token it is null, with an `UNAUTHENTICATED` error.
    async fn me(&self, context: &Context<'_>) -> Option<User> {
        match service(context).account.me(&request_context(context).credentials).await {
            Ok(account) => Some(account.as_ref().into()),
            Err(error) => null_with(context, error),
        }
    }
}
