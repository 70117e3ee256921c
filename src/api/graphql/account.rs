//! The caller's own account.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use uuid::Uuid;

use super::error::GraphqlError;
use crate::api::caller::Asker;
use crate::domain::account::Account;
use crate::service::Service;

/// What can be asked.
pub(super) struct Query;

/// The public side of an account.
#[derive(SimpleObject)]
pub(super) struct User {
    /// The same value as `uuid`, for clients that keep objects by their `id`.
    id: ID,
    /// Names the account for ever; the `sub` of its access tokens.
    uuid: Uuid,
    /// The e-mail as it was typed at registration.
    email: String,
    /// The username as it was typed at registration.
    username: String,
    /// Where the account's picture is.
    profile_image_url: Option<String>,
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.0.into(),
            uuid: account.id.0,
            email: account.email,
            username: account.username,
            profile_image_url: account.profile_image_url,
        }
    }
}

/// What can be asked.
#[Object]
impl Query {
    /// The account of whoever asks: of the access token in `Authorization: Bearer …`. Without a valid one it is null, with an
    /// `UNAUTHENTICATED` error.
    async fn me(&self, context: &Context<'_>) -> Option<User> {
        let asker = context.data_unchecked::<Asker>();
        match service(context).me(&asker.credentials).await {
            Ok(account) => Some(account.into()),
            // Returned as an error, it would take the rest of the answer with it.
            Err(error) => {
                let error = async_graphql::Error::from(GraphqlError::from(error)).into_server_error(context.item.pos);
                context.add_error(context.set_error_path(error));
                None
            }
        }
    }
}

pub(super) fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked::<Arc<Service>>()
}
