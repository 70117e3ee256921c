//! Me: the caller's own account.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::account::Account;
use crate::domain::client::Credentials;
use crate::service::Service;
use crate::service::metrics::measured;

impl Service {
    /// The account of whoever asks.
    ///
    /// # Errors
    /// As `authenticate`.
    pub async fn me(&self, credentials: &Credentials) -> Result<Arc<Account>> {
        let caller = measured("me", self.authenticate(credentials)).await?;
        Ok(caller.account)
    }
}
