//! Signatures: changed, foreign and out-of-range signatures are refused.

use auth_gateway::domain::clock::Clock;
use serde_json::json;

use super::{changed, invalid, with_each_algorithm};
use crate::harness::encode;

/// RFC 8725 section 3.3; RFC 8032 section 5.1.7, RFC 7518 section 3.4, RFC 8017 section 8.2.2.
#[tokio::test]
async fn only_the_correct_signature_is_accepted() {
    with_each_algorithm("signature", async |scene| {
        let forger = &scene.forger;
        let (header, claims) = (forger.header.to_string(), forger.claims.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let right = forger.sign(&message);
        let with = |signature: &[u8]| format!("{message}.{}", encode(signature));
        let length = right.len();
        let der = [
            &[0x30, 0x44, 0x02, 0x20],
            &right[..32],
            &[0x02, 0x20],
            &right[length - 32..],
        ]
        .concat();
        let halves = [&right[length / 2..], &right[..length / 2]].concat();
        let mut one = vec![0; length];
        one[length - 1] = 1;
        let mut cases: Vec<(String, String)> = [
            ("none", Vec::new()),
            ("one zero", vec![0]),
            ("all zero", vec![0; length]),
            ("all ones", vec![0xff; length]),
            ("the number one", one),
            ("without its last byte", right[..length - 1].to_vec()),
            ("without its first byte", right[1..].to_vec()),
            ("its first half", right[..length / 2].to_vec()),
            ("with a zero appended", [&right[..], &[0]].concat()),
            ("with a zero prepended", [&[0], &right[..]].concat()),
            ("twice", [&right[..], &right[..]].concat()),
            ("its halves swapped", halves),
            ("in DER", der),
            ("r and zero", [&right[..32], &vec![0; length - 32]].concat()),
            ("zero and s", [&[0; 32], &right[32..]].concat()),
            ("of another message", forger.sign("another message")),
            ("of the claims alone", forger.sign(&encode(&claims))),
            ("of what is encoded", forger.sign(&format!("{header}.{claims}"))),
        ]
        .map(|(name, signature)| (format!("a signature: {name}"), with(&signature)))
        .into();
        let out_of_range = forger.signature_out_of_range(&message);
        cases.extend(out_of_range.map(|signature| ("a signature: out of range".to_owned(), with(&signature))));
        for bit in 0..length * 8 {
            // Each bit of short signatures, and one bit of each byte of an RSA signature.
            if length > 64 && bit % 8 != bit / 8 % 8 {
                continue;
            }
            let mut flipped = right.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            cases.push((format!("bit {bit} of the signature"), with(&flipped)));
        }
        let of_jane = scene.jane.access_token.rsplit('.').next().unwrap();
        cases.push((
            "the signature of another token".to_owned(),
            format!("{message}.{of_jane}"),
        ));
        let signature = encode(&right);
        for (claim, value) in [
            ("roles", json!(["admin"])),
            ("exp", json!(scene.app.clock.now().seconds() + 9_000)),
            ("sub", json!(scene.jane.user.uuid)),
        ] {
            let changed = changed(&forger.claims, &json!({claim: value})).to_string();
            cases.push((
                format!("{claim} changed"),
                format!("{}.{}.{signature}", encode(&header), encode(changed)),
            ));
        }
        for position in 0..message.len() {
            let mut changed = message.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            if message.as_bytes()[position] != b'.' && position % 3 == 0 {
                let changed = String::from_utf8(changed).unwrap();
                cases.push((
                    format!("character {position} changed"),
                    format!("{changed}.{signature}"),
                ));
            }
        }
        invalid(cases)
    })
    .await;
}
