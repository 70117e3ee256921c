//! Signs access tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use serde::Serialize;

use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::security::access_token::algorithm::jwt_algorithm;
use crate::security::access_token::claims::Claims;
use crate::security::access_token::compact_form::TYPE;
use crate::security::signing_key::key_pair::KeyPair;
use crate::security::signing_key::key_ring::OpenKey;

/// The token of these claims, signed with this key.
pub(crate) fn issue(claims: &Claims, key: &OpenKey) -> Result<SecretString> {
    let mut header = Header::new(jwt_algorithm(key.shown.algorithm));
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.shown.kid.clone());
    sign(&header, claims, &key.private).map(SecretString::new)
}

/// A JWS in compact serialisation (RFC 7515 section 7.1).
pub(crate) fn sign(header: &Header, claims: &impl Serialize, key: &KeyPair) -> Result<String> {
    let header = serde_json::to_vec(header).map_err(Error::internal)?;
    let claims = serde_json::to_vec(claims).map_err(Error::internal)?;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}
