//! An attacker with the database and `AUTH_SECRET`, who signs tokens that the gateway never issues.
//! Such a token is refused because of its contents, not because of its signature.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{AUTH_SECRET, TestApp};

pub struct TokenForger {
    pub public_key: Vec<u8>,
    /// Header and claims of a token that the gateway issued.
    pub header: Value,
    pub claims: Value,
    algorithm: String,
    private_key: Vec<u8>,
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The key that the gateway derives from `AUTH_SECRET` for this purpose.
fn derived(purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let secret = STANDARD.decode(AUTH_SECRET).unwrap();
    let info = [purpose.as_bytes()];
    let extracted = Salt::new(HKDF_SHA256, b"auth-gateway").extract(&secret);
    extracted.expand(&info, Length).unwrap().fill(&mut key).unwrap();
    key
}

/// The tag of a refresh token.
pub fn refresh_tag(claim: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derived("refresh token"));
    hmac::sign(&key, claim).as_ref()[..16].to_vec()
}

impl TokenForger {
    /// Reads the only signing key of an app on SQLite. `token` is a template for the header and the
    /// claims.
    pub async fn steal_signing_key(app: &TestApp, token: &str) -> Self {
        let mut parts = token.split('.');
        let mut part = || serde_json::from_slice(&decode(parts.next().unwrap())).unwrap();
        let (header, claims): (Value, Value) = (part(), part());
        let column = async |name: &str| {
            let digits = app.stores.text(&format!("SELECT hex({name}) FROM signing_keys")).await;
            let bytes = (0..digits.len()).step_by(2);
            bytes
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect::<Vec<u8>>()
        };
        let mut sealed = column("sealed_private_key").await;
        let mut ciphertext = sealed.split_off(12);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived("signing keys at rest")).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(&sealed).unwrap();
        let aad = Aad::from(header["kid"].as_str().unwrap().as_bytes());
        let private_key = key.open_in_place(nonce, aad, &mut ciphertext).unwrap().to_vec();
        Self {
            public_key: column("public_key").await,
            algorithm: header["alg"].as_str().unwrap().to_owned(),
            header,
            claims,
            private_key,
        }
    }

    /// The signature that the gateway would compute.
    pub fn sign(&self, message: &str) -> Vec<u8> {
        match self.algorithm.as_str() {
            "EdDSA" => {
                let pair = Ed25519KeyPair::from_pkcs8(&self.private_key).unwrap();
                pair.sign(message.as_bytes()).as_ref().to_vec()
            }
            "ES256" => self.es256(message),
            _ => self.rsa(message, &RSA_PKCS1_SHA256),
        }
    }

    /// The right signature with one number out of range, which a verifier without a range check
    /// would accept. ES256 has none: s + n seldom fits into 32 bytes.
    pub fn signature_out_of_range(&self, message: &str) -> Option<Vec<u8>> {
        match self.algorithm.as_str() {
            // S + L. RFC 8032 section 5.1.7 requires verifiers to refuse it.
            "EdDSA" => {
                let (r, s) = (self.sign(message)[..32].to_vec(), self.sign(message)[32..].to_vec());
                let mut order = decode("7dP1XBpjEljWnPei3vneFAAAAAAAAAAAAAAAAAAAABA");
                order.reverse();
                let mut sum = add(&s.into_iter().rev().collect::<Vec<_>>(), &order);
                sum.reverse();
                Some([r, sum].concat())
            }
            "ES256" => None,
            // s + n. RFC 8017 section 5.2.2 requires verifiers to refuse it. The modulus begins
            // after nine bytes of the public key.
            _ => Some(add(&self.sign(message), &self.public_key[9..265])),
        }
    }

    /// An RSASSA-PSS signature, if the key is an RSA key.
    pub fn sign_pss(&self, message: &str) -> Option<Vec<u8>> {
        (self.algorithm == "RS256").then(|| self.rsa(message, &RSA_PSS_SHA256))
    }

    fn es256(&self, message: &str) -> Vec<u8> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.private_key).unwrap();
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        signature.as_ref().to_vec()
    }

    fn rsa(&self, message: &str, encoding: &'static dyn aws_lc_rs::signature::RsaEncoding) -> Vec<u8> {
        let pair = RsaKeyPair::from_pkcs8(&self.private_key).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .unwrap();
        signature
    }

    /// A token of exactly these texts, with a valid signature.
    pub fn token_of(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&format!("{}.{}", encode(header), encode(claims)))
    }

    /// The message with a valid signature.
    pub fn signed(&self, message: &str) -> String {
        format!("{message}.{}", encode(self.sign(message)))
    }
}

/// The sum of two big-endian numbers, one byte longer if there is a carry.
fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let (mut sum, mut carry) = (Vec::new(), 0);
    for (left, right) in left.iter().rev().zip(right.iter().rev()) {
        let digit = u16::from(*left) + u16::from(*right) + carry;
        sum.push(u8::try_from(digit & 0xff).unwrap());
        carry = digit >> 8;
    }
    sum.extend((carry > 0).then_some(1));
    sum.reverse();
    sum
}
