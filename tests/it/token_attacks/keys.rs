//! Keys come from the key ring only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Scene, changed, invalid, with_each_algorithm};
use crate::harness::{encode, http, raw};

/// RFC 8725 sections 2.9 and 3.10.
#[tokio::test]
async fn only_keys_of_the_key_ring_are_used() {
    with_each_algorithm("key", async |scene| {
        let mut cases = Vec::new();
        let other = Scene::of(scene.forger.header["alg"].as_str().unwrap()).await;
        let (_, _, theirs) = raw(http().get(other.app.url("/.well-known/jwks.json"))).await;
        let (ours, claims) = (&scene.forger.header, scene.forger.claims.to_string());
        let jwk = theirs["keys"][0].clone();
        let x5c = json!([STANDARD.encode(&other.forger.public_key)]);
        let address = other.app.url("/.well-known/jwks.json");
        for (name, members) in [
            ("jwk", json!({"jwk": jwk})),
            ("jku", json!({"jku": address})),
            ("x5u", json!({"x5u": address})),
            ("x5c", json!({"x5c": x5c})),
            ("x5t", json!({"x5t": "AAAA"})),
            ("x5t#S256", json!({"x5t#S256": "AAAA"})),
            ("jwk of ours", json!({"jwk": {"kty": "oct", "k": "AAAA"}})),
            ("crit", json!({"crit": ["exp"]})),
            ("crit of nothing", json!({"crit": []})),
            ("b64", json!({"b64": false, "crit": ["b64"]})),
            ("b64 alone", json!({"b64": false})),
            ("b64 with the default value", json!({"b64": true})),
            ("zip", json!({"zip": "DEF"})),
            ("enc", json!({"enc": "A256GCM"})),
            ("epk", json!({"epk": jwk})),
            ("cty", json!({"cty": "JWT"})),
            ("an unknown member", json!({"x": 1})),
            ("a claim", json!({"iss": scene.forger.claims["iss"]})),
        ] {
            cases.push((format!("{name}, with a valid signature"), scene.header(&members)));
            for kid in [&ours["kid"], &other.forger.header["kid"]] {
                let header = changed(&changed(ours, &members), &json!({"kid": kid})).to_string();
                cases.push((
                    format!("{name}, signed by another key"),
                    other.forger.token_of(header, &claims),
                ));
            }
        }
        for (name, header) in [("our kid", ours), ("its own kid", &other.forger.header)] {
            cases.push((
                format!("another key under {name}"),
                other.forger.token_of(header.to_string(), &claims),
            ));
        }
        let kid = ours["kid"].as_str().unwrap();
        let no_such_key = encode([7; 32]);
        let (huge, long) = ("A".repeat(2_000), "A".repeat(43));
        for wrong in [
            "",
            " ",
            ".",
            "*",
            "%",
            "null",
            "undefined",
            "0",
            "../../../../../../dev/null",
            "/dev/null",
            "file:///etc/passwd",
            "' OR '1'='1",
            "x' UNION SELECT 'AAAA",
            "'; DROP TABLE signing_keys; --",
            "$(id)",
            "`id`",
            "%00",
            "${jndi:ldap://x}",
            "\u{0}",
            "\r\nX-Evil: 1",
            "\u{202e}",
            &no_such_key,
            &huge,
            &long,
            &format!("{kid}\u{0}"),
            &format!("{kid} "),
            &format!("{kid}="),
            &format!(" {kid}"),
            &kid.to_uppercase(),
            &kid.to_lowercase(),
            &kid[..42],
            &format!("{kid}/../{kid}"),
        ] {
            cases.push((format!("kid {wrong:.40?}"), scene.header(&json!({"kid": wrong}))));
        }
        for wrong in [json!(1), json!(true), json!([kid]), json!({"kid": kid})] {
            cases.push((format!("kid {wrong}"), scene.header(&json!({"kid": wrong}))));
        }
        cases.push(("no kid".to_owned(), scene.header(&json!({"kid": null}))));
        let null = ours.to_string().replace(&format!("{kid:?}"), "null");
        cases.push(("kid null".to_owned(), scene.forger.token_of(null, &claims)));
        for wrong in [
            "JWT",
            "jwt",
            "AT+JWT",
            "at+JWT",
            "application/at+jwt",
            "id_token",
            "ID",
            "logout+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "entity-statement+jwt",
            "at+jwt ",
            "",
        ] {
            cases.push((format!("typ {wrong:?}"), scene.header(&json!({"typ": wrong}))));
        }
        cases.push(("no typ".to_owned(), scene.header(&json!({"typ": null}))));
        cases.push((
            "typ of another kind".to_owned(),
            scene.header(&json!({"typ": ["at+jwt"]})),
        ));
        let nested = scene.forger.token_of(
            changed(ours, &json!({"cty": "JWT"})).to_string(),
            &scene.john.access_token,
        );
        cases.push(("a nested token with cty".to_owned(), nested));
        let nested = scene.forger.token_of(ours.to_string(), &scene.john.access_token);
        cases.push(("a nested token without cty".to_owned(), nested));
        let quoted = scene
            .forger
            .token_of(ours.to_string(), json!(scene.john.access_token).to_string());
        cases.push(("a nested token as a JSON string".to_owned(), quoted));
        invalid(cases)
    })
    .await;
}
