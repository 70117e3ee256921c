//! Judges whether a proof of an account completes a sign-in.

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::account::Account;
use crate::domain::challenge::Challenge;

/// How the client has proved the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The account's password.
    Password,
    /// The registration that creates the account.
    Registration,
}

/// Demands the next steps of sign-ins. Second factors, the verified e-mail, disabled accounts and
/// the duty to enrol a second factor belong here. Every fact that a policy reads must raise the
/// account's `CredentialsVersion` when it changes. Otherwise a login that is under way would open a
/// session in spite of the change.
#[async_trait]
pub trait SignInPolicy: Send + Sync {
    /// The step that the client must take before a session opens; `None` if nothing is missing.
    ///
    /// # Errors
    /// An account that may not sign in at all; `Unavailable`.
    async fn next_step(&self, account: &Account, proof: Proof) -> Result<Option<Challenge>>;
}

/// Demands nothing: one proof completes a sign-in.
pub struct OneProofSuffices;

#[async_trait]
impl SignInPolicy for OneProofSuffices {
    async fn next_step(&self, _account: &Account, _proof: Proof) -> Result<Option<Challenge>> {
        Ok(None)
    }
}
