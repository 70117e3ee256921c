//! What proves who an account belongs to, and how changes of it are guarded.

use crate::domain::account::{Account, AccountId};
use crate::domain::password::PasswordHash;
use crate::domain::session::SessionId;

/// Counts the changes of an account's credentials, and of whatever else decides whether it may sign
/// in: of its password today, later of its second factors, identities and status too.
///
/// A credential is verified outside of the database, which takes time. A step that rests on the
/// verification repeats this version in its own statement, so that it fails if the credential has
/// changed meanwhile. A rehash of the same password does not raise the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsVersion(pub i64);

/// An account together with its credentials.
#[derive(Debug, Clone)]
pub struct AccountCredentials {
    pub account: Account,
    /// The normalised e-mail: unique, and the subject of rate limits.
    pub email_key: String,
    /// `None` for an account that signs in without a password.
    pub password_hash: Option<PasswordHash>,
    pub version: CredentialsVersion,
}

/// A new password hash in place of the one that was verified.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    pub account: AccountId,
    /// The session that asks for the change. It stays open, all others of the account end.
    pub by: SessionId,
    /// The version of the credentials that were verified.
    pub verified: CredentialsVersion,
    pub new_hash: PasswordHash,
}

/// The result of a step that rests on verified credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsUpdate {
    Applied,
    /// The credentials have changed since they were verified. Nothing was written.
    Conflict,
}
