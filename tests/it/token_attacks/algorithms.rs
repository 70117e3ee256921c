//! Algorithms: the header must name the algorithm of the key.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Scene, changed, invalid, with_each_algorithm};
use crate::harness::{decode, encode, http, raw};

/// The public key in every form that an implementation could mistake for an HMAC secret.
async fn public_forms(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let (_, _, jwks) = raw(http().get(scene.app.url("/.well-known/jwks.json"))).await;
    let key = &scene.forger.public_key;
    let prefix = match scene.forger.header["alg"].as_str().unwrap() {
        "EdDSA" => "302a300506032b6570032100",
        "ES256" => "3059301306072a8648ce3d020106082a8648ce3d030107034200",
        _ => "30820122300d06092a864886f70d01010105000382010f00",
    };
    let digits = (0..prefix.len()).step_by(2);
    let prefix = digits.map(|at| u8::from_str_radix(&prefix[at..at + 2], 16).unwrap());
    let document: Vec<u8> = prefix.chain(key.iter().copied()).collect();
    let pem = |kind: &str, document: &[u8]| {
        let text = STANDARD.encode(document);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    };
    let pem_text = pem("PUBLIC KEY", &document);
    let mut forms = vec![
        ("raw".to_owned(), key.clone()),
        ("base64url".to_owned(), encode(key).into_bytes()),
        ("base64".to_owned(), STANDARD.encode(key).into_bytes()),
        ("DER".to_owned(), document.clone()),
        ("PEM without the last newline".to_owned(), pem_text.trim_end().into()),
        ("PEM".to_owned(), pem_text.into_bytes()),
        ("RSA PEM".to_owned(), pem("RSA PUBLIC KEY", key).into_bytes()),
        ("JWK".to_owned(), jwks["keys"][0].to_string().into_bytes()),
        ("JWKS".to_owned(), jwks.to_string().into_bytes()),
        ("kid".to_owned(), scene.forger.header["kid"].to_string().into_bytes()),
        ("nothing".to_owned(), Vec::new()),
        ("one zero".to_owned(), vec![0]),
    ];
    for member in ["x", "y", "n"] {
        if let Some(text) = jwks["keys"][0][member].as_str() {
            forms.push((format!("member {member}"), text.into()));
            forms.push((format!("bytes of member {member}"), decode(text)));
        }
    }
    forms
}

/// RFC 8725 sections 2.1 and 3.1.
#[tokio::test]
async fn only_the_algorithm_of_the_key_is_accepted() {
    with_each_algorithm("algorithm", async |scene| {
        let (own, claims) = (scene.forger.header["alg"].clone(), scene.forger.claims.to_string());
        let mut cases = Vec::new();
        for none in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "none ",
            " none",
            "",
            "null",
            "n\u{43e}ne",
        ] {
            let header = changed(&scene.forger.header, &json!({"alg": none})).to_string();
            let unsigned = format!("{}.{}.", encode(&header), encode(&claims));
            cases.push((format!("alg {none:?} without signature"), unsigned.clone()));
            cases.push((
                format!("alg {none:?} without third part"),
                unsigned.trim_end_matches('.').to_owned(),
            ));
            cases.push((
                format!("alg {none:?} with a valid signature"),
                scene.forger.token_of(&header, &claims),
            ));
            let bare = format!("{}.{}.", encode(json!({"alg": none}).to_string()), encode(&claims));
            cases.push((format!("nothing but alg {none:?}"), bare));
        }
        for alg in [
            Value::Null,
            json!(null),
            json!(1),
            json!(true),
            json!([own]),
            json!({"alg": own}),
        ] {
            let mut header = scene.forger.header.clone();
            header["alg"] = alg.clone();
            cases.push((format!("alg {alg}"), scene.forger.token_of(header.to_string(), &claims)));
        }
        cases.push(("no alg".to_owned(), scene.header(&json!({"alg": null}))));
        for other in [
            "EdDSA", "Ed25519", "Ed448", "ES256", "ES256K", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256",
            "PS384", "PS512", "HS256", "HS384", "HS512", "eddsa", "EDDSA", "es256", "rs256", "dir", "A256GCM",
            "RSA-OAEP",
        ] {
            if own != other {
                cases.push((
                    format!("{other}, signed by {own}"),
                    scene.header(&json!({"alg": other})),
                ));
            }
        }
        for (name, secret) in public_forms(scene).await {
            for (alg, hash) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                let header = changed(&scene.forger.header, &json!({"alg": alg})).to_string();
                let message = format!("{}.{}", encode(header), encode(&claims));
                let tag = hmac::sign(&hmac::Key::new(hash, &secret), message.as_bytes());
                cases.push((
                    format!("{alg} under the public key: {name}"),
                    format!("{message}.{}", encode(tag)),
                ));
            }
        }
        let message = format!("{}.{}", encode(scene.forger.header.to_string()), encode(&claims));
        if let Some(signature) = scene.forger.sign_pss(&message) {
            cases.push((
                "RS256 with a signature of PS256".to_owned(),
                format!("{message}.{}", encode(signature)),
            ));
            let message = format!(
                "{}.{}",
                encode(changed(&scene.forger.header, &json!({"alg": "PS256"})).to_string()),
                encode(&claims)
            );
            let signature = scene.forger.sign_pss(&message).unwrap();
            cases.push((
                "a valid PS256 token".to_owned(),
                format!("{message}.{}", encode(signature)),
            ));
        }
        invalid(cases)
    })
    .await;
}
