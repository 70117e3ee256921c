//! The caller's own account.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use uuid::Uuid;

use crate::api::graphql::error::null_with;
use crate::api::http::request_context::RequestContext;
use crate::domain::account::Account;
use crate::service::Service;

/// Questions about the account.
#[derive(Default)]
pub(crate) struct AccountQuery;

/// The public side of an account.
#[derive(SimpleObject)]
pub(crate) struct User {
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
    /// The account of whoever asks: of the access token in `Authorization: Bearer …`. Without a valid one it is null, with an
    /// `UNAUTHENTICATED` error.
    async fn me(&self, context: &Context<'_>) -> Option<User> {
        let request = context.data_unchecked::<RequestContext>();
        match service(context).me(&request.credentials).await {
            Ok(account) => Some(account.as_ref().into()),
            Err(error) => null_with(context, error),
        }
    }
}

pub(crate) fn service<'a>(context: &Context<'a>) -> &'a Service {
    context.data_unchecked::<Arc<Service>>()
}
