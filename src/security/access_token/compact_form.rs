//! The strict text form of an access token: a JWS in compact serialisation (RFC 7515 section 7.1).
//!
//! Libraries differ in what they tolerate: repeated members, unused bits at the end of base64, a
//! header that carries its own key. If two readers differ, one token has two meanings (RFC 8725
//! section 2.6). So the form is checked here before any library reads the token. This file knows
//! neither keys nor signatures.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The type in the header of every access token (RFC 9068 section 2.1).
pub(crate) const TYPE: &str = "at+jwt";

/// Longest token that is read, in bytes; issued tokens have about a third of that.
pub(crate) const MAX_LENGTH: usize = 4096;
/// Length of a key id: 32 bytes of a thumbprint in base64 (RFC 7638 section 3).
const KID_LENGTH: usize = 43;

/// The header of a token, with exactly the members that this gateway writes.
///
/// Other JOSE members (RFC 7515 section 4.1: `jku`, `jwk`, `x5u`, `x5c`, `cty`, `crit`; RFC 7797:
/// `b64`; RFC 7516: `zip`) let the token decide how it is verified, so they are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenHeader {
    pub(crate) alg: String,
    pub(crate) kid: String,
    typ: String,
}

impl TokenHeader {
    /// Reads the header of a token whose form is right. The signature is not verified yet.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let parts: Vec<Vec<u8>> = token.split('.').map(decode).collect::<Option<_>>()?;
        let [header, claims, _signature] = parts.as_slice() else {
            return None;
        };
        let _checked: UniqueJson = parse_object(claims)?;
        let header: Self = parse_object(header)?;
        (header.typ == TYPE && is_thumbprint(&header.kid)).then_some(header)
    }
}

/// A text that is no thumbprint names no key, and must not cost a query for one.
fn is_thumbprint(kid: &str) -> bool {
    kid.len() == KID_LENGTH && decode(kid).is_some()
}

/// Decodes base64url without padding. Encoding the bytes again must give the same text: otherwise
/// unused bits of the last character are set (RFC 4648 section 3.5).
fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (URL_SAFE_NO_PAD.encode(&bytes) == text).then_some(bytes)
}

/// Reads a JSON object. The library would also read an array, as the members in order.
fn parse_object<T: for<'de> Deserialize<'de>>(json: &[u8]) -> Option<T> {
    let is_object = json.starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Any JSON value in which no object repeats a member, at any depth (RFC 7493 section 2.3).
#[derive(Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "read only to be checked")]
enum UniqueJson {
    Null(()),
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Self>),
    Object(UniqueMembers),
}

struct UniqueMembers(HashMap<String, UniqueJson>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(HashMap::new()))
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = members.next_entry()? {
            if self.0.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn token(header: &str, claims: &[u8], signature: &str) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{}.{}.{signature}", encode(header.as_bytes()), encode(claims))
    }

    fn header() -> String {
        format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{KID}"}}"#)
    }

    #[test]
    fn the_header_of_a_token_is_read() {
        let header = TokenHeader::parse(&token(&header(), b"{}", "AQID")).unwrap();
        assert_eq!((header.alg.as_str(), header.kid.as_str()), ("EdDSA", KID));
    }

    #[test]
    fn other_spellings_of_a_token_are_refused() {
        let good = token(&header(), b"{}", "AQI");
        assert!(TokenHeader::parse(&good).is_some());
        for other in [
            good.replace("AQI", "AQJ"),
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            format!("{good}.AQI"),
            format!(" {good}"),
            format!("{good}\n"),
            good.rsplit_once('.').unwrap().0.to_owned(),
            token(&header(), b"{}", &"A".repeat(MAX_LENGTH)),
        ] {
            assert!(TokenHeader::parse(&other).is_none(), "{other:.80}");
        }
    }

    #[test]
    fn extra_repeated_and_missing_header_members_are_refused() {
        for other in [
            header().replace("at+jwt", "JWT"),
            header().replace(KID, "../../etc/passwd"),
            header().replace(KID, &KID[1..]),
            header().replace("S4k", "S4l"),
            header().replace('{', r#"{"alg":"none","#),
            header().replace('{', r#"{"\u0061lg":"EdDSA","#),
            header().replace('{', r#"{"jwk":{},"#),
            header().replace('{', r#"{"crit":[],"#),
            header().replace(r#""typ":"at+jwt","#, ""),
            header().replace(r#""EdDSA""#, "null"),
            format!(" {}", header()),
            format!("{} x", header()),
            format!("\u{feff}{}", header()),
            format!(r#"["EdDSA","{KID}","at+jwt"]"#),
        ] {
            assert_ne!(other, header());
            assert!(TokenHeader::parse(&token(&other, b"{}", "AQI")).is_none(), "{other}");
        }
    }

    #[test]
    fn claims_that_repeat_a_member_or_are_no_object_are_refused() {
        let unknown = br#"{"a":[1,-1,1.5,"x",true,null,{"a":{"a":1}}],"b":1}"#;
        assert!(TokenHeader::parse(&token(&header(), unknown, "AQI")).is_some());
        for claims in [
            br#"{"a":1,"a":1}"#.as_slice(),
            br#"{"a":[{"b":1,"\u0062":1}]}"#,
            b"[]",
            b"null",
            b"",
            b"{}{}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
        ] {
            let token = token(&header(), claims, "AQI");
            assert!(
                TokenHeader::parse(&token).is_none(),
                "{}",
                String::from_utf8_lossy(claims)
            );
        }
    }
}
