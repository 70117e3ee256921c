//! The caller's own password.

use async_graphql::{Context, InputObject, Object};

use crate::api::graphql::account::service;
use crate::api::graphql::error::GraphqlError;
use crate::api::http::request_context::RequestContext;
use crate::domain::secret::SecretString;
use crate::service;

/// What can be done to the password.
#[derive(Default)]
pub(crate) struct PasswordMutation;

/// A change of password.
#[derive(InputObject)]
struct ChangePasswordInput {
    /// The account's password.
    current_password: String,
    /// The password to be, under the rules of a registration.
    new_password: String,
}

#[Object]
impl PasswordMutation {
    /// Changes the password of the caller's account. The session that asks lives on; all others of the account end. A wrong current password
    /// is `INVALID_CREDENTIALS`, and counts as a failed login.
    async fn change_password(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The current password and the new one.")] input: ChangePasswordInput,
    ) -> Result<bool, GraphqlError> {
        let request = context.data_unchecked::<RequestContext>();
        let input = service::ChangePasswordInput {
            current_password: SecretString::new(input.current_password),
            new_password: SecretString::new(input.new_password),
        };
        service(context)
            .change_password(input, &request.credentials, &request.client_info())
            .await?;
        Ok(true)
    }
}
