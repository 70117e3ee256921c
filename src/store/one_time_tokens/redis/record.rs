//! The names of tokens in Redis, and the text that is stored under each of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::one_time_token::{NewOneTimeToken, TokenDigest, TokenForm, TokenId, TokenPurpose, TokenSubject};
use crate::store::one_time_tokens::payload::SealedToken;

const PREFIX: &str = "auth-gateway:one-time-token";
/// Stands for a subject that is not known. No subject encodes to it.
const NO_SUBJECT: &str = "-";

/// The key of the token with this name.
pub(crate) fn key(name: &str) -> String {
    format!("{PREFIX}:{name}")
}

/// The key of the list of a subject's tokens. No purpose is called "subject".
pub(crate) fn subject_key(subject: &TokenSubject) -> String {
    format!("{PREFIX}:subject:{}", subject.as_str())
}

/// The name of a token: what its owner presents finds it.
pub(crate) fn name_of(token: &NewOneTimeToken) -> String {
    match token.purpose.rules().form {
        TokenForm::Secret => secret_name(token.purpose, token.digest),
        TokenForm::Code => code_name(token.purpose, token.id),
    }
}

pub(crate) fn secret_name(purpose: TokenPurpose, digest: TokenDigest) -> String {
    format!("{}:{}", purpose.name(), digest_text(digest))
}

pub(crate) fn code_name(purpose: TokenPurpose, id: TokenId) -> String {
    format!("{}:{}", purpose.name(), id.0.simple())
}

/// The id in the name of a token whose owner presents a code.
pub(crate) fn code_id(name: &str, purpose: TokenPurpose) -> Option<TokenId> {
    let id = name.strip_prefix(purpose.name())?.strip_prefix(':')?;
    Some(TokenId(Uuid::try_parse(id).ok()?))
}

/// Whether a token with this name has this purpose.
pub(crate) fn has_purpose(name: &str, purpose: TokenPurpose) -> bool {
    name.split(':').next() == Some(purpose.name())
}

pub(crate) fn digest_text(digest: TokenDigest) -> String {
    URL_SAFE_NO_PAD.encode(digest.0)
}

/// The text of a token, as `lua/token.lua` describes it.
pub(crate) fn text_of(token: &NewOneTimeToken, sealed_payload: &[u8]) -> String {
    let subject = token
        .subject
        .as_ref()
        .map(|subject| URL_SAFE_NO_PAD.encode(subject.as_str()));
    format!(
        "0 {} {} {} {} {} {}",
        token.purpose.rules().max_tries,
        token.expires_at().millis(),
        digest_text(token.digest),
        token.id.0.simple(),
        subject.as_deref().unwrap_or(NO_SUBJECT),
        URL_SAFE_NO_PAD.encode(sealed_payload),
    )
}

/// Reads the text of a token without its tries, which the scripts return; `None` for a text of
/// another form.
pub(crate) fn parse(fixed: &str) -> Option<SealedToken> {
    let mut parts = fixed.split(' ');
    let max_tries = parts.next()?.parse().ok()?;
    let expires_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    // The payload is authenticated with the digest that was presented, not with the stored one.
    let _digest = parts.next()?;
    let id = TokenId(Uuid::try_parse(parts.next()?).ok()?);
    let subject = match parts.next()? {
        NO_SUBJECT => None,
        encoded => Some(TokenSubject::from_stored(
            String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?,
        )),
    };
    let sealed_payload = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    Some(SealedToken {
        id,
        subject,
        expires_at,
        max_tries,
        sealed_payload,
    })
}
