//! The secret from which all keys are derived.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use clap::Args;

use crate::config::environment::SettingError;
use crate::domain::secret::SecretBytes;

/// Least length of a secret, in bytes: the length of the keys that are derived from it.
pub(crate) const AUTH_SECRET_BYTES: usize = 32;

/// The secrets that protect refresh tokens and stored signing keys: the first one protects new
/// data, all of them read.
#[derive(Debug, Clone)]
pub struct AuthSecret(pub Vec<SecretBytes>);

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct KeySettings {
    /// At least 32 random bytes in base64; protects refresh tokens and stored signing keys. Of
    /// several, separated by commas, the first protects new data and all of them read. Unset in
    /// development: one is generated beside the database file
    #[arg(long, global = true, value_parser = auth_secret)]
    pub auth_secret: Option<AuthSecret>,
}

impl KeySettings {
    pub(crate) fn check_for_production(&self) -> Result<(), SettingError> {
        let problem = match &self.auth_secret {
            None => "must be set in production: at least 32 random bytes in base64",
            Some(secret) if !secret.seems_random() => {
                "must be random in production, and holds a pattern or a sentence that can be guessed; set at least 32 random bytes in base64"
            }
            Some(_) => return Ok(()),
        };
        Err(SettingError(format!(
            "AUTH_SECRET {problem}, for example the output of: openssl rand -base64 32."
        )))
    }
}

impl AuthSecret {
    /// Whether none of them is an obvious pattern. 32 random bytes never form one by chance.
    fn seems_random(&self) -> bool {
        let mut secrets = self.0.iter().map(SecretBytes::expose);
        secrets.all(|secret| !is_periodic(secret) && !is_sequence(secret) && !is_sentence(secret))
    }
}

/// A repeated pattern, for example zeros.
fn is_periodic(secret: &[u8]) -> bool {
    let has_period = |period| secret.iter().zip(secret.iter().skip(period)).all(|(a, b)| a == b);
    (1..=secret.len() / 2).any(has_period)
}

/// Bytes at a constant distance, for example 0, 1, 2, …
fn is_sequence(secret: &[u8]) -> bool {
    let mut steps = secret
        .iter()
        .zip(secret.iter().skip(1))
        .map(|(a, b)| b.wrapping_sub(*a));
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

/// Printable words, as in examples and tests.
fn is_sentence(secret: &[u8]) -> bool {
    secret.contains(&b' ') && secret.iter().all(|byte| (b' '..=b'~').contains(byte))
}

pub(crate) fn auth_secret(text: &str) -> Result<AuthSecret, String> {
    let secrets = text
        .split(',')
        .map(|secret| one_secret(secret.trim()))
        .collect::<Option<_>>();
    secrets.map(AuthSecret).ok_or_else(|| {
        "must be at least 32 random bytes in base64, or several such secrets separated by commas, for example the output of: \
         openssl rand -base64 32"
            .to_owned()
    })
}

fn one_secret(text: &str) -> Option<SecretBytes> {
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(text).ok())?;
    (bytes.len() >= AUTH_SECRET_BYTES).then(|| SecretBytes::new(bytes))
}
