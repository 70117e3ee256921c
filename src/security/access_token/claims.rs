//! The claims of an access token (RFC 9068 section 2.2).

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::domain::account::{Account, AccountId};
use crate::domain::client::AccessClaim;
use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;

/// How far the clocks of two nodes may differ: a token is accepted although it was issued this
/// long after the reader's time. No leeway is added to its expiry (RFC 7519 section 4.1.4 would
/// allow it).
pub(crate) const LEEWAY: Duration = Duration::from_mins(1);

/// What all access tokens of this gateway have in common.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// `iss`: the public address of the gateway.
    pub issuer: String,
    /// `aud`: the services that the token is for.
    pub audience: String,
    /// From `iat` to `exp`, in whole seconds.
    pub lifetime: Duration,
}

/// The claims as they are written and read. Unknown ones are ignored, so that a node accepts the
/// tokens of a newer version.
#[derive(Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
    /// Never written. If a token has it, it must be a number, and is checked.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    roles: Vec<String>,
}

/// The content of a token whose signature and claims are right. It may not be valid yet, or have
/// expired.
#[derive(Clone, Copy)]
pub(crate) struct VerifiedToken {
    pub(crate) claim: AccessClaim,
    /// The later of `iat` and `nbf`, in seconds since the Unix epoch.
    pub(crate) valid_from: i64,
}

impl Claims {
    pub(crate) fn new(rules: &TokenRules, account: &Account, session: SessionId, now: Timestamp) -> Self {
        Self {
            iss: rules.issuer.clone(),
            aud: rules.audience.clone(),
            sub: account.id.0,
            sid: session.0,
            jti: Uuid::new_v4(),
            iat: now.seconds(),
            exp: now.plus(rules.lifetime).seconds(),
            nbf: None,
            roles: account.roles.clone(),
        }
    }

    /// `None` if the token lives longer than any setting allows.
    pub(crate) fn into_verified(self) -> Option<VerifiedToken> {
        let lifetime = self.exp.saturating_sub(self.iat);
        let longest = i64::try_from(AccessClaim::LONGEST_LIFE.as_secs()).unwrap_or(i64::MAX);
        (1..=longest).contains(&lifetime).then(|| VerifiedToken {
            valid_from: self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat)),
            claim: AccessClaim {
                account: AccountId(self.sub),
                session: SessionId(self.sid),
                expires_at: Timestamp::from_millis(self.exp.saturating_mul(1000)),
            },
        })
    }
}

impl VerifiedToken {
    /// Whether the token is valid at this time already. The expiry is not compared.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid_from <= now.plus(LEEWAY).seconds()
    }
}

/// Reads a number and refuses `null`, which is no `NumericDate` (RFC 7519 section 2).
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}
