//! Key pairs of each algorithm: generated, encoded, decoded, and used to sign. This file knows
//! neither storage nor tokens.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKey as RsaPublicKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use zeroize::Zeroizing;

use crate::domain::signing_key::SigningAlgorithm;
use crate::domain::{Error, Result};

/// The least that RFC 7518 section 3.3 allows: 112 bits of security, acceptable until 2030 (NIST SP
/// 800-57 part 1 table 4). A key signs for `SIGNING_KEY_MAX_AGE`, and its signatures matter no
/// longer than a token lives. Each sign-in and refresh pays for the size: 3072 bits take more than
/// twice as long to sign, and four times as long to generate. Stored keys of another size still
/// work.
const RSA_SIZE: KeySize = KeySize::Rsa2048;

/// The first octet of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
/// Length of a coordinate on P-256, in bytes.
const COORDINATE_BYTES: usize = 32;

type Members = Vec<(&'static str, String)>;

/// A key pair that is ready to sign. `jsonwebtoken` would parse and check the private key for each
/// token, which takes longer than signing: for RSA 0.9 ms and 0.55 ms.
pub(crate) enum KeyPair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl KeyPair {
    /// RSA takes from tenths of a second to seconds.
    pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Self> {
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Self::EdDsa),
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::Es256),
            SigningAlgorithm::Rs256 => RsaKeyPair::generate(RSA_SIZE).map(Self::Rs256),
        };
        pair.map_err(|_| Error::internal("no signing key could be generated"))
    }

    /// Reads the output of `to_pkcs8`.
    ///
    /// # Errors
    /// When the document is not a key of this algorithm.
    pub(crate) fn from_pkcs8(algorithm: SigningAlgorithm, document: &[u8]) -> Result<Self> {
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(document).map(Self::EdDsa),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document).map(Self::Es256)
            }
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(document).map(Self::Rs256),
        };
        pair.map_err(Error::internal)
    }

    /// PKCS#8 (RFC 5958) in DER.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let document = match self {
            Self::EdDsa(pair) => pair.to_pkcs8().map(|document| document.as_ref().to_vec()),
            Self::Es256(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Self::Rs256(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|document| document.as_ref().to_vec()),
        };
        document
            .map(Zeroizing::new)
            .map_err(|_| Error::internal("a signing key could not be written"))
    }

    /// The public key in the form that `StoredSigningKey` describes.
    pub(crate) fn public_key(&self) -> &[u8] {
        match self {
            Self::EdDsa(pair) => pair.public_key().as_ref(),
            Self::Es256(pair) => pair.public_key().as_ref(),
            Self::Rs256(pair) => pair.public_key().as_ref(),
        }
    }

    /// The JWS signature of a message: RFC 8037 section 3.1 for `EdDSA`, RFC 7518 section 3.4 for
    /// `ES256`, section 3.3 for `RS256`.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        let signature = match self {
            Self::EdDsa(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Self::Es256(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.map(|()| signature)
            }
        };
        signature.map_err(|_| Error::internal("a token could not be signed"))
    }
}

/// Converts a stored public key for `jsonwebtoken`.
pub(crate) fn decoding_key(algorithm: SigningAlgorithm, public_key: &[u8]) -> DecodingKey {
    match algorithm {
        SigningAlgorithm::EdDsa => DecodingKey::from_ed_der(public_key),
        SigningAlgorithm::Es256 => DecodingKey::from_ec_der(public_key),
        SigningAlgorithm::Rs256 => DecodingKey::from_rsa_der(public_key),
    }
}

/// The required members of the JWK of a stored public key, in lexicographic order.
///
/// # Errors
/// When it is not a public key of this algorithm.
pub(crate) fn jwk_members(algorithm: SigningAlgorithm, public_key: &[u8]) -> Result<Members> {
    match algorithm {
        SigningAlgorithm::EdDsa => Ok(ed25519_members(public_key)),
        SigningAlgorithm::Es256 => p256_members(public_key),
        SigningAlgorithm::Rs256 => rsa_members(public_key),
    }
}

/// RFC 8037 section 2.
fn ed25519_members(public_key: &[u8]) -> Members {
    let (curve, kind) = ("Ed25519".to_owned(), "OKP".to_owned());
    vec![("crv", curve), ("kty", kind), ("x", URL_SAFE_NO_PAD.encode(public_key))]
}

/// RFC 7518 section 6.2.1: coordinates have their full length.
fn p256_members(point: &[u8]) -> Result<Members> {
    let coordinates = point.strip_prefix(&[UNCOMPRESSED]);
    let (x, y) = coordinates
        .filter(|coordinates| coordinates.len() == 2 * COORDINATE_BYTES)
        .map(|coordinates| coordinates.split_at(COORDINATE_BYTES))
        .ok_or_else(|| Error::internal("a stored public key is no point on P-256"))?;
    let (curve, kind) = ("P-256".to_owned(), "EC".to_owned());
    let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
    Ok(vec![("crv", curve), ("kty", kind), ("x", x), ("y", y)])
}

/// RFC 7518 section 6.3.1: numbers have no leading zeros.
fn rsa_members(public_key: &[u8]) -> Result<Members> {
    let key = RsaPublicKey::from_der(public_key).map_err(Error::internal)?;
    let numbers = RsaPublicKeyComponents::<Vec<u8>>::from(&key);
    let [e, n] = [numbers.e, numbers.n].map(|number| URL_SAFE_NO_PAD.encode(number));
    Ok(vec![("e", e), ("kty", "RSA".to_owned()), ("n", n)])
}

/// The JWK thumbprint (RFC 7638 section 3): the members in lexicographic order, without white
/// space. None of them contains a character that JSON escapes.
pub(crate) fn thumbprint(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!(r#""{name}":"{value}""#))
        .collect();
    let canonical = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn an_ed25519_key_has_the_thumbprint_of_rfc_8037_appendix_a_3() {
        let x = decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let members = jwk_members(SigningAlgorithm::EdDsa, &x).unwrap();
        assert_eq!(thumbprint(&members), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// The key of figure 2 there.
    #[test]
    fn a_point_has_the_thumbprint_of_rfc_9449_section_6_1() {
        let (x, y) = (
            "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        );
        let point = [vec![UNCOMPRESSED], decode(x), decode(y)].concat();
        let members = jwk_members(SigningAlgorithm::Es256, &point).unwrap();
        assert_eq!((members[2].1.as_str(), members[3].1.as_str()), (x, y));
        assert_eq!(thumbprint(&members), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        for wrong in [&point[1..], &point[..64], &[&point[..], &[0]].concat()] {
            assert!(jwk_members(SigningAlgorithm::Es256, wrong).is_err());
        }
    }

    #[test]
    fn an_rsa_key_has_the_thumbprint_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n\
                 3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd\
                 AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur\
                 -kEgU8awapJzKnqDKgw";
        let members = jwk_members(SigningAlgorithm::Rs256, &rsa_public_key(&decode(n), &decode("AQAB"))).unwrap();
        assert_eq!((members[0].1.as_str(), members[2].1.as_str()), ("AQAB", n));
        assert_eq!(thumbprint(&members), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    /// `RSAPublicKey` in DER (RFC 8017 appendix A.1.1) of a modulus of 2048 bits, written by hand.
    fn rsa_public_key(n: &[u8], e: &[u8]) -> Vec<u8> {
        let n = [&[0x02, 0x82, 0x01, 0x01, 0x00], n].concat();
        let e = [&[0x02, 0x03], e].concat();
        [&[0x30, 0x82, 0x01, 0x0a], &n[..], &e[..]].concat()
    }

    #[test]
    fn an_encoded_key_pair_decodes_to_the_same_key_pair() {
        for algorithm in SigningAlgorithm::ALL {
            let generated = KeyPair::generate(algorithm).unwrap();
            let document = generated.to_pkcs8().unwrap();
            let read = KeyPair::from_pkcs8(algorithm, &document).unwrap();
            assert_eq!(read.public_key(), generated.public_key());
            assert_eq!(read.to_pkcs8().unwrap(), document);
            for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(
                    KeyPair::from_pkcs8(other, &document).is_err(),
                    "{algorithm:?} as {other:?}"
                );
            }
        }
    }

    #[test]
    fn public_keys_have_the_documented_forms() {
        let length = |algorithm| KeyPair::generate(algorithm).unwrap().public_key().len();
        assert_eq!(length(SigningAlgorithm::EdDsa), 32);
        assert_eq!(length(SigningAlgorithm::Es256), 65);
        let rsa = KeyPair::generate(SigningAlgorithm::Rs256).unwrap();
        let members = jwk_members(SigningAlgorithm::Rs256, rsa.public_key()).unwrap();
        let [(_, e), _, (_, n)] = members.as_slice() else {
            panic!("an RSA key has three members: {members:?}");
        };
        assert_eq!(rsa.public_key(), rsa_public_key(&decode(n), &decode(e)));
        assert!(
            decode(n)[0] >= 0x80 && decode(n).len() == 256,
            "2048 bits, no leading zero"
        );
    }
}
