//! Me: the caller's own account.

use super::Service;
use crate::domain::Result;
use crate::domain::account::Account;
use crate::domain::caller::Credentials;

impl Service {
    /// The account of whoever asks.
    ///
    /// # Errors
    /// As `authenticate`.
    pub async fn me(&self, credentials: &Credentials) -> Result<Account> {
        Ok(self.authenticate(credentials).await?.account)
    }
}
