//! Tokens, sessions and signing keys: their lifetimes and the algorithm.

use std::time::Duration;

use clap::Args;

use crate::config::environment::SettingError;
use crate::config::values::{self, DAY, HOUR, MINUTE, SECOND};
use crate::domain::client::AccessClaim;
use crate::domain::key_publication::KeyPublicationLead;
use crate::domain::session::Lifetimes;
use crate::domain::signing_key::SigningAlgorithm;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tokens and sessions")]
pub struct TokenSettings {
    /// Lifetime of an access token
    #[arg(long, global = true, default_value = "15m", value_parser = |text: &str| values::span(text, SECOND, AccessClaim::LONGEST_LIFE, "15m"))]
    pub access_token_ttl: Duration,
    /// Lifetime of an unused refresh token
    #[arg(long, global = true, default_value = "30d", value_parser = |text: &str| values::span(text, SECOND, DAY * 366, "30d"))]
    pub refresh_token_ttl: Duration,
    /// Longest lifetime of a session, however often it is refreshed
    #[arg(long, global = true, default_value = "90d", value_parser = |text: &str| values::span(text, SECOND, DAY * 3660, "90d"))]
    pub session_max_age: Duration,
    /// How long the previous refresh token is still accepted; it returns the current one
    #[arg(long, global = true, default_value = "10s", value_parser = |text: &str| values::span(text, Duration::ZERO, MINUTE * 5, "10s"))]
    pub refresh_grace: Duration,
    /// How long a key signs access tokens before it is replaced
    #[arg(long, global = true, default_value = "30d", value_parser = |text: &str| values::span(text, HOUR, DAY * 3660, "30d"))]
    pub signing_key_max_age: Duration,
    /// How long a new key is published before it signs. Raise it if verifiers cache the JWKS for
    /// longer than its headers allow
    #[arg(long, global = true, default_value = "7m", value_parser = key_lead)]
    pub signing_key_lead: KeyPublicationLead,
    /// Algorithm of access tokens: `EdDSA`, `ES256` or `RS256`. After a change the new key signs
    /// `SIGNING_KEY_LEAD` after the start, and sessions stay open
    #[arg(long, global = true, default_value = "EdDSA", value_parser = jwt_algorithm)]
    pub jwt_algorithm: SigningAlgorithm,
    /// Audience of access tokens
    #[arg(long, global = true, default_value = "auth-gateway", value_parser = values::text)]
    pub jwt_audience: String,
}

impl TokenSettings {
    /// With a longer lead, keys would be published faster than they become signing keys, and the
    /// JWKS would grow to hundreds of keys. Half of the age gives each key as much time to sign as
    /// its successor waits.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let lead = self.signing_key_lead.span();
        if lead > self.signing_key_max_age / 2 {
            return Err(SettingError(format!(
                "SIGNING_KEY_LEAD is \"{}\", which must be at most half of SIGNING_KEY_MAX_AGE, for example 7m.",
                humantime::format_duration(lead)
            )));
        }
        Ok(())
    }

    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            refresh_token: self.refresh_token_ttl,
            session: self.session_max_age,
            grace: self.refresh_grace,
        }
    }
}

fn key_lead(text: &str) -> Result<KeyPublicationLead, String> {
    values::span(text, KeyPublicationLead::LEAST, KeyPublicationLead::MOST, "7m").map(KeyPublicationLead::new)
}

fn jwt_algorithm(text: &str) -> Result<SigningAlgorithm, String> {
    SigningAlgorithm::parse(text).ok_or_else(|| "must be EdDSA, ES256 or RS256, for example EdDSA".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_lead_is_that_of_the_domain() {
        assert_eq!(key_lead("7m"), Ok(KeyPublicationLead::DEFAULT));
    }
}
