//! The caller's own password.

use async_graphql::{Context, InputObject, Object};

use super::account::service;
use super::error::GraphqlError;
use crate::api::caller::Asker;
use crate::domain::secret::SecretString;
use crate::service;

/// What can be done to the password.
#[derive(Default)]
pub(super) struct PasswordMutation;

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
        let asker = context.data_unchecked::<Asker>();
        let input = service::ChangePasswordInput {
            current_password: SecretString::new(input.current_password),
            new_password: SecretString::new(input.new_password),
        };
        service(context)
            .change_password(input, &asker.credentials, &asker.visitor())
            .await?;
        Ok(true)
    }
}
