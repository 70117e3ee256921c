//! Fuzz targets for tokens. An accepted token is checked again by independent code: the signature
//! by the cryptographic library alone, the claims by a general JSON parser.

#![allow(clippy::panic, reason = "a fuzzer's target fails by panicking")]

use std::sync::LazyLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::client::AccessClaim;
use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretBytes;
use crate::domain::signing_key::{SigningAlgorithm, StoredSigningKey};
use crate::security::signing_key::key_pair::{jwk_members, thumbprint};
use crate::security::{AccessTokens, KeyVault, RefreshTokens, TokenRules, Verification};

/// Used by fuzzers only.
const SECRET: [u8; 32] = *b"This secret is for fuzzing only!";
/// Fixed, so that a token of the corpus has the same result in every run.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ISSUER: &str = "https://auth.example";
const AUDIENCE: &str = "api";
/// One key for each algorithm: its name, the public key, and the private key encrypted under
/// [`SECRET`], in base64.
const KEYS: &str = include_str!("../../fuzz/keys.txt");

struct Installation {
    keys: Vec<StoredSigningKey>,
    tokens: AccessTokens,
}

static INSTALLATION: LazyLock<Installation> = LazyLock::new(|| {
    let keys: Vec<StoredSigningKey> = KEYS.lines().filter_map(stored).collect();
    assert_eq!(keys.len(), SigningAlgorithm::ALL.len(), "fuzz/keys.txt");
    let rules = TokenRules {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        lifetime: AccessClaim::LONGEST_LIFE,
    };
    let ring = KeyVault::new(&secrets()).and_then(|vault| vault.open(keys.clone()));
    let tokens = AccessTokens::new(ring.unwrap_or_else(|error| panic!("{error:?}")), rules);
    Installation { keys, tokens }
});

static REFRESH_TOKENS: LazyLock<RefreshTokens> =
    LazyLock::new(|| RefreshTokens::new(&secrets()).unwrap_or_else(|error| panic!("{error:?}")));

fn secrets() -> [SecretBytes; 1] {
    [SecretBytes::new(SECRET.to_vec())]
}

fn stored(line: &str) -> Option<StoredSigningKey> {
    let mut words = line.split_whitespace();
    let algorithm = SigningAlgorithm::parse(words.next()?)?;
    let mut bytes = || URL_SAFE_NO_PAD.decode(words.next()?).ok();
    let (public_key, sealed_private_key) = (bytes()?, bytes()?);
    Some(StoredSigningKey {
        kid: thumbprint(&jwk_members(algorithm, &public_key).ok()?),
        algorithm,
        public_key,
        sealed_private_key,
        created_at: Timestamp::from_millis(0),
        signs_from: Timestamp::from_millis(0),
        verifies_until: None,
    })
}

/// The input is the text of a token, or a header and claims separated by a zero byte. The latter
/// are signed with the key that the header names, or with the first key.
///
/// # Panics
/// When a token is accepted that this gateway would not issue.
pub fn access_token(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == 0);
    match (halves.next(), halves.next()) {
        (Some(header), Some(claims)) => check(&signed(header, claims)),
        _ => check(&String::from_utf8_lossy(data)),
    }
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let Installation { keys, tokens } = &*INSTALLATION;
    let text = String::from_utf8_lossy(header);
    let key = keys.iter().find(|key| text.contains(&key.kid)).unwrap_or(&keys[0]);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let ring = tokens.keys();
    let signature = ring.find(&key.kid).map(|key| key.private.sign(message.as_bytes()));
    format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(signature.and_then(Result::ok).unwrap_or_default())
    )
}

fn check(token: &str) {
    let Installation { keys, tokens } = &*INSTALLATION;
    let Verification::Genuine(claim) = tokens.verify(token, NOW) else {
        return;
    };
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        panic!("accepted without three parts: {token}");
    };
    let (header, claims) = (object(header), object(claims));
    let key = keys.iter().find(|key| header["kid"] == key.kid.as_str());
    let key = key.unwrap_or_else(|| panic!("accepted with an unknown key: {header}"));
    assert_eq!(header.as_object().map(serde_json::Map::len), Some(3), "{header}");
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&"at+jwt".into(), &key.algorithm.as_str().into())
    );
    let message = token.rsplit_once('.').map_or("", |(message, _)| message);
    let verified =
        UnparsedPublicKey::new(verifier(key.algorithm), &key.public_key).verify(message.as_bytes(), &bytes(signature));
    assert!(verified.is_ok(), "accepted with a wrong signature: {token}");
    assert_claims(&claims, claim);
}

/// Asserts what every token of this gateway claims.
fn assert_claims(claims: &Value, claim: AccessClaim) {
    let now = NOW.seconds();
    let number = |name: &str| {
        claims[name]
            .as_i64()
            .unwrap_or_else(|| panic!("{name} is not a number: {claims}"))
    };
    let id = |name: &str| claims[name].as_str().and_then(|text| Uuid::parse_str(text).ok());
    assert_eq!(
        (claims["iss"].as_str(), claims["aud"].as_str()),
        (Some(ISSUER), Some(AUDIENCE))
    );
    assert_eq!((id("sub"), id("sid")), (Some(claim.account.0), Some(claim.session.0)));
    assert!(id("jti").is_some() && claims["roles"].is_array(), "{claims}");
    assert!(
        number("iat") <= now + 60 && (1..=24 * 3600).contains(&(number("exp") - number("iat"))),
        "{claims}"
    );
    assert!(claims.get("nbf").is_none() || number("nbf") <= now + 60, "{claims}");
    assert_eq!(claim.expires_at.seconds(), number("exp"));
}

fn verifier(algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => &ED25519,
        SigningAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        SigningAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
    }
}

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(text)
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn object(text: &str) -> Value {
    serde_json::from_slice(&bytes(text)).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The input is the text of a token, or, after a zero byte, a claim that gets the right tag.
///
/// # Panics
/// When a text is accepted that is not the only text of its claim.
pub fn refresh_token(data: &[u8]) {
    let tokens = &*REFRESH_TOKENS;
    let text = match data.split_first() {
        Some((0, claim)) => tokens.seal_bytes(claim),
        _ => String::from_utf8_lossy(data).into_owned(),
    };
    let Some(claim) = tokens.open(&text) else {
        return;
    };
    assert_eq!(tokens.seal(claim).expose(), text, "two texts for one claim");
    for at in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[at] ^= 1;
        let other = String::from_utf8_lossy(&other);
        assert!(tokens.open(&other).is_none(), "a changed token was accepted: {other}");
    }
}
