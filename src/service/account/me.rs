//! Me: the caller's own account.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::account::Account;
use crate::domain::client::Credentials;
use crate::service::account::AccountService;
use crate::service::metrics::measured;

impl AccountService {
    /// The account of the caller.
    ///
    /// # Errors
    /// As `Authenticator::authenticate`.
    pub async fn me(&self, credentials: &Credentials) -> Result<Arc<Account>> {
        let caller = measured("me", self.authenticator.authenticate(credentials)).await?;
        Ok(caller.account)
    }
}
