//! The caller's own password.

use async_graphql::{Context, InputObject, Object};

use crate::api::graphql::context::{request_context, service};
use crate::api::graphql::error::GraphqlError;
use crate::domain::secret::SecretString;
use crate::service;

#[derive(Default)]
pub(crate) struct CredentialsMutation;

/// A change of password.
#[derive(InputObject)]
struct ChangePasswordInput {
    /// The account's current password.
    current_password: String,
    /// The new password; the rules of registration apply.
    new_password: String,
}

#[Object]
impl CredentialsMutation {
    /// Changes the password of the caller's account. The caller's session stays; all other sessions
    /// of the account end. A wrong current password is `INVALID_CREDENTIALS`, and counts as a
    /// failed login.
    async fn change_password(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The current password and the new one.")] input: ChangePasswordInput,
    ) -> Result<bool, GraphqlError> {
        let request = request_context(context);
        let input = service::ChangePasswordInput {
            current_password: SecretString::new(input.current_password),
            new_password: SecretString::new(input.new_password),
        };
        service(context)
            .credentials
            .change_password(input, &request.credentials, &request.client_info())
            .await?;
        Ok(true)
    }
}
