//! Tokens that were forged, confused or bent: none lets anybody in, at either door, whatever the algorithm.
//!
//! What a claim or a header says wrongly is rightly signed here, by somebody who has stolen the key: the signature alone would have it
//! refused, and hide whether anything else does.

use std::time::Duration;

use auth_gateway::domain::clock::Clock;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{
    Backend, Client, Door, SignedIn, Socket, Tally, Thief, World, decode, encode, http, raw, refresh_tag,
};

const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// What is tried, the token, and the reason for which it must be refused.
type Case = (String, String, &'static str);

/// A world with two people signed in, and the thief of its key.
struct Scene {
    world: World,
    john: SignedIn,
    jane: SignedIn,
    thief: Thief,
}

impl Scene {
    async fn of(algorithm: &str) -> Self {
        let world = World::with(Backend::Sqlite, Door::Rest, &["--jwt-algorithm", algorithm]).await;
        let john = world.john().await;
        let client = world.client();
        let jane = client.register_with("jane.doe@example.com", "Password@123", "janedoe");
        let jane = jane.await.unwrap();
        let thief = Thief::break_in(&world, &john.access_token).await;
        Self {
            world,
            john,
            jane,
            thief,
        }
    }

    /// Presents every token at both doors.
    async fn try_all(&self, suite: &'static str, cases: Vec<Case>) {
        let mut tally = Tally::new(suite);
        self.assert_good(&self.john.access_token).await;
        let (header, claims) = (&self.thief.header, &self.thief.claims);
        let honest = self.thief.token_of(header.to_string(), claims.to_string());
        self.assert_good(&honest).await;
        for (name, token, reason) in &cases {
            for door in [Door::Rest, Door::Graphql] {
                tally.tried(1);
                let case = format!("{name} at {door:?} with {}", header["alg"]);
                match self.present(door, token).await {
                    (status, _) if status.is_server_error() => tally.server_error(case),
                    (status, _) if status == 431 && token.len() > 400_000 => {}
                    (_, answer) if answer == json!({"code": "UNAUTHENTICATED", "reason": reason}) => {}
                    (status, answer) => tally.accepted(format!("{case}: {status} {answer}")),
                }
            }
        }
        self.assert_good(&self.john.access_token).await;
        tally.finish();
    }

    async fn assert_good(&self, token: &str) {
        for door in [Door::Rest, Door::Graphql] {
            assert_eq!(
                self.present(door, token).await,
                (StatusCode::OK, Value::Null),
                "{token}"
            );
        }
    }

    /// The status, and the code and reason of a refusal.
    async fn present(&self, door: Door, token: &str) -> (StatusCode, Value) {
        let request = match door {
            Door::Rest => http().get(self.world.url("/auth/me")),
            Door::Graphql => http()
                .post(self.world.url("/graphql"))
                .json(&json!({"query": "{ me { uuid } }"})),
        };
        let (status, _, body) = raw(request.header("authorization", format!("Bearer {token}"))).await;
        let error = match door {
            Door::Rest => &body,
            Door::Graphql => &body["errors"][0]["extensions"],
        };
        let shown = error["code"]
            .is_string()
            .then(|| json!({"code": error["code"], "reason": error["reason"]}));
        (status, shown.unwrap_or_default())
    }

    /// A token whose header is the gateway's but for these members; `null` takes one away.
    fn header(&self, changes: &Value) -> String {
        let header = changed(&self.thief.header, changes);
        self.thief.token_of(header.to_string(), self.thief.claims.to_string())
    }

    fn claims(&self, changes: &Value) -> String {
        let claims = changed(&self.thief.claims, changes);
        self.thief.token_of(self.thief.header.to_string(), claims.to_string())
    }
}

fn changed(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        }
    }
    object
}

fn invalid(cases: impl IntoIterator<Item = (String, String)>) -> Vec<Case> {
    cases
        .into_iter()
        .map(|(name, token)| (name, token, "invalid"))
        .collect()
}

async fn with_each_algorithm(suite: &'static str, cases: impl AsyncFn(&Scene) -> Vec<Case>) {
    for algorithm in ALGORITHMS {
        let scene = Scene::of(algorithm).await;
        let cases = cases(&scene).await;
        scene.try_all(suite, cases).await;
    }
}

/// The public half in every form in which somebody might take it for a secret.
async fn public_forms(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let (_, _, jwks) = raw(http().get(scene.world.url("/.well-known/jwks.json"))).await;
    let key = &scene.thief.public_key;
    let prefix = match scene.thief.header["alg"].as_str().unwrap() {
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
        ("PEM without its end of line".to_owned(), pem_text.trim_end().into()),
        ("PEM".to_owned(), pem_text.into_bytes()),
        ("RSA PEM".to_owned(), pem("RSA PUBLIC KEY", key).into_bytes()),
        ("JWK".to_owned(), jwks["keys"][0].to_string().into_bytes()),
        ("JWKS".to_owned(), jwks.to_string().into_bytes()),
        ("kid".to_owned(), scene.thief.header["kid"].to_string().into_bytes()),
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
async fn no_algorithm_but_that_of_the_key_is_followed() {
    with_each_algorithm("algorithm", async |scene| {
        let (own, claims) = (scene.thief.header["alg"].clone(), scene.thief.claims.to_string());
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
            let header = changed(&scene.thief.header, &json!({"alg": none})).to_string();
            let unsigned = format!("{}.{}.", encode(&header), encode(&claims));
            cases.push((format!("alg {none:?} without signature"), unsigned.clone()));
            cases.push((
                format!("alg {none:?} without third part"),
                unsigned.trim_end_matches('.').to_owned(),
            ));
            cases.push((
                format!("alg {none:?} with the right signature"),
                scene.thief.token_of(&header, &claims),
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
            let mut header = scene.thief.header.clone();
            header["alg"] = alg.clone();
            cases.push((format!("alg {alg}"), scene.thief.token_of(header.to_string(), &claims)));
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
                let header = changed(&scene.thief.header, &json!({"alg": alg})).to_string();
                let message = format!("{}.{}", encode(header), encode(&claims));
                let tag = hmac::sign(&hmac::Key::new(hash, &secret), message.as_bytes());
                cases.push((
                    format!("{alg} under the public key: {name}"),
                    format!("{message}.{}", encode(tag)),
                ));
            }
        }
        let message = format!("{}.{}", encode(scene.thief.header.to_string()), encode(&claims));
        if let Some(signature) = scene.thief.sign_pss(&message) {
            cases.push((
                "RS256 with a signature of PS256".to_owned(),
                format!("{message}.{}", encode(signature)),
            ));
            let message = format!(
                "{}.{}",
                encode(changed(&scene.thief.header, &json!({"alg": "PS256"})).to_string()),
                encode(&claims)
            );
            let signature = scene.thief.sign_pss(&message).unwrap();
            cases.push((
                "PS256 as it should be".to_owned(),
                format!("{message}.{}", encode(signature)),
            ));
        }
        invalid(cases)
    })
    .await;
}

/// RFC 8725 sections 2.9 and 3.10: a key comes from nowhere but the ring.
#[tokio::test]
async fn no_key_but_those_of_the_ring_is_used() {
    with_each_algorithm("key", async |scene| {
        let mut cases = Vec::new();
        let other = Scene::of(scene.thief.header["alg"].as_str().unwrap()).await;
        let (_, _, theirs) = raw(http().get(other.world.url("/.well-known/jwks.json"))).await;
        let (ours, claims) = (&scene.thief.header, scene.thief.claims.to_string());
        let jwk = theirs["keys"][0].clone();
        let x5c = json!([STANDARD.encode(&other.thief.public_key)]);
        let address = other.world.url("/.well-known/jwks.json");
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
            ("b64 as ever", json!({"b64": true})),
            ("zip", json!({"zip": "DEF"})),
            ("enc", json!({"enc": "A256GCM"})),
            ("epk", json!({"epk": jwk})),
            ("cty", json!({"cty": "JWT"})),
            ("an unknown member", json!({"x": 1})),
            ("a claim", json!({"iss": scene.thief.claims["iss"]})),
        ] {
            cases.push((format!("{name}, rightly signed"), scene.header(&members)));
            for kid in [&ours["kid"], &other.thief.header["kid"]] {
                let header = changed(&changed(ours, &members), &json!({"kid": kid})).to_string();
                cases.push((
                    format!("{name}, signed by another key"),
                    other.thief.token_of(header, &claims),
                ));
            }
        }
        for (name, header) in [("our kid", ours), ("its own kid", &other.thief.header)] {
            cases.push((
                format!("another key under {name}"),
                other.thief.token_of(header.to_string(), &claims),
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
        let null = ours.to_string().replace(&format!("{:?}", kid), "null");
        cases.push(("kid null".to_owned(), scene.thief.token_of(null, &claims)));
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
        let nested = scene.thief.token_of(
            changed(ours, &json!({"cty": "JWT"})).to_string(),
            &scene.john.access_token,
        );
        cases.push(("a token in a token, said".to_owned(), nested));
        let nested = scene.thief.token_of(ours.to_string(), &scene.john.access_token);
        cases.push(("a token in a token, not said".to_owned(), nested));
        let quoted = scene
            .thief
            .token_of(ours.to_string(), json!(scene.john.access_token).to_string());
        cases.push(("a token in a token, quoted".to_owned(), quoted));
        invalid(cases)
    })
    .await;
}

/// RFC 7519 section 4.1, RFC 9068 section 4, RFC 8725 sections 3.8 and 3.9.
#[tokio::test]
async fn claims_that_are_not_ours_are_refused() {
    with_each_algorithm("claims", async |scene| {
        let now = scene.world.clock.now().seconds();
        let ours = &scene.thief.claims;
        let (iss, aud) = (ours["iss"].as_str().unwrap(), ours["aud"].as_str().unwrap());
        let mut wrong = Vec::new();
        for (claim, right) in [("iss", iss), ("aud", aud)] {
            let padded = [
                format!("{right}/"),
                format!("{right} "),
                format!(" {right}"),
                format!("{right}\u{0}"),
                right.to_uppercase(),
            ];
            for value in [
                json!("other"),
                json!(""),
                json!([right]),
                json!([right, "other"]),
                json!(["other", right]),
                json!([]),
                json!([[right]]),
                json!(1),
                json!(true),
                json!({right: right}),
            ]
            .into_iter()
            .chain(padded.map(Value::from))
            {
                wrong.push(json!({claim: value}));
            }
        }
        for claim in ["exp", "iat"] {
            for value in [
                json!("soon"),
                json!(format!("{}", now + 60)),
                json!(1e308),
                json!(u64::MAX),
                json!(-1),
                json!(i64::MIN),
                json!(true),
                json!([now]),
                json!({}),
                json!(60.5),
            ] {
                wrong.push(json!({claim: value}));
            }
        }
        wrong.push(json!({"exp": i64::MAX}));
        #[allow(clippy::cast_precision_loss, reason = "a fraction is what is tried")]
        for fraction in [(now + 60) as f64 + 0.5, (now + 60) as f64] {
            wrong.push(json!({"exp": fraction}));
        }
        wrong.push(json!({"exp": now + 100_000}));
        wrong.push(json!({"iat": now - 90_000}));
        wrong.push(json!({"iat": now + 61, "exp": now + 900}));
        wrong.push(json!({"iat": now + 1_000_000_000, "exp": now + 1_000_000_900}));
        wrong.push(json!({"iat": now, "exp": now}));
        wrong.push(json!({"iat": 10, "exp": 5}));
        for value in [
            json!(now + 61),
            json!(i64::MAX),
            json!(u64::MAX),
            json!("now"),
            json!(1.5),
            json!([]),
            json!(true),
        ] {
            wrong.push(json!({"nbf": value}));
        }
        for id in ["sub", "sid", "jti"] {
            for value in [
                json!(""),
                json!("john"),
                json!(1),
                json!([ours[id]]),
                json!({}),
                json!("../../x"),
                json!("' OR 1=1 --"),
            ] {
                wrong.push(json!({id: value}));
            }
        }
        for value in [json!("user"), json!([1]), json!({}), json!(1)] {
            wrong.push(json!({"roles": value}));
        }
        let mut cases: Vec<_> = wrong
            .iter()
            .map(|changes| (changes.to_string(), scene.claims(changes)))
            .collect();
        for claim in ["iss", "aud", "exp", "iat", "sub", "sid", "jti", "roles"] {
            cases.push((format!("no {claim}"), scene.claims(&json!({claim: null}))));
            let mut nulled = ours.clone();
            nulled[claim] = Value::Null;
            cases.push((
                format!("{claim} null"),
                scene.thief.token_of(scene.thief.header.to_string(), nulled.to_string()),
            ));
        }
        let mut nulled = ours.clone();
        nulled["nbf"] = Value::Null;
        cases.push((
            "nbf null".to_owned(),
            scene.thief.token_of(scene.thief.header.to_string(), nulled.to_string()),
        ));
        let mut cases = invalid(cases);
        let past = json!({"iat": now - 1000, "exp": now - 1});
        cases.push(("expired".to_owned(), scene.claims(&past), "expired"));
        cases.push((
            "expires now".to_owned(),
            scene.claims(&json!({"iat": now - 900, "exp": now})),
            "expired",
        ));
        cases.push((
            "long ago".to_owned(),
            scene.claims(&json!({"iat": 1, "exp": 901})),
            "expired",
        ));
        cases
    })
    .await;
}

#[tokio::test]
async fn a_clock_may_be_a_minute_off_and_no_more() {
    for algorithm in ALGORITHMS {
        let scene = Scene::of(algorithm).await;
        let now = scene.world.clock.now().seconds();
        let ahead = json!({"iat": now + 60, "nbf": now + 60, "exp": now + 900});
        scene.assert_good(&scene.claims(&ahead)).await;
        scene
            .assert_good(&scene.claims(&json!({"a claim of tomorrow": {"x": [1]}})))
            .await;
        scene.world.clock.advance(Duration::from_secs(899));
        scene.assert_good(&scene.john.access_token).await;
        scene.world.clock.advance(Duration::from_secs(1));
        let refused = scene.present(Door::Rest, &scene.john.access_token).await;
        assert_eq!(refused.1["reason"], "expired", "no leeway is added to a life");
    }
}

/// RFC 8725 section 2.7.
#[tokio::test]
async fn a_token_of_somebody_or_something_else_lets_nobody_in() {
    with_each_algorithm("substitution", async |scene| {
        let other_secret = "QW5vdGhlciBzZWNyZXQsIGZvciB0ZXN0cyBhbG9uZS4h";
        let algorithm = scene.thief.header["alg"].as_str().unwrap();
        let options = ["--jwt-algorithm", algorithm];
        let elsewhere = World::with(Backend::Sqlite, Door::Rest, &options).await;
        let under_another = World::with(
            Backend::Sqlite,
            Door::Rest,
            &[&options[..], &["--auth-secret", other_secret]].concat(),
        )
        .await;
        let (jane, stranger) = (&scene.jane, uuid::Uuid::new_v4().to_string());
        let of_jane = Thief::break_in(&scene.world, &jane.access_token).await.claims;
        let ours = &scene.thief.claims;
        let mut cases = invalid(
            [
                ("of another database", elsewhere.john().await.access_token),
                ("of another AUTH_SECRET", under_another.john().await.access_token),
                ("a refresh token", scene.john.refresh_token.clone()),
                ("somebody else's session", scene.claims(&json!({"sid": of_jane["sid"]}))),
                ("somebody else's account", scene.claims(&json!({"sub": of_jane["sub"]}))),
                ("nobody's account", scene.claims(&json!({"sub": stranger}))),
            ]
            .map(|(name, token)| (name.to_owned(), token)),
        );
        for (name, options) in [
            ("for another audience", ["--jwt-audience", "another"]),
            ("of another issuer", ["--public-url", "https://other.example"]),
        ] {
            let node = scene.world.second_node(&options).await;
            let login = json!({"email": "john.doe@example.com", "password": "Password@123"});
            cases.extend(invalid([(
                name.to_owned(),
                node.login(&login).await.unwrap().access_token,
            )]));
        }
        // The signature is ours and such a session is not known: the same as one that ended so long ago that it was forgotten.
        let swapped = scene.claims(&json!({"sub": ours["sid"], "sid": ours["sub"]}));
        cases.push(("sub and sid swapped".to_owned(), swapped, "revoked"));
        cases.push((
            "nobody's session".to_owned(),
            scene.claims(&json!({"sid": stranger})),
            "revoked",
        ));
        cases
    })
    .await;
}

/// RFC 8725 section 2.6: one token has one text.
#[tokio::test]
async fn a_token_in_another_spelling_is_none() {
    with_each_algorithm("spelling", async |scene| {
        let (header, claims) = (scene.thief.header.to_string(), scene.thief.claims.to_string());
        let kid = &scene.thief.header["kid"];
        let mut cases: Vec<(String, String)> = Vec::new();
        for (name, double) in [
            ("alg, ours last", header.replacen('{', r#"{"alg":"none","#, 1)),
            ("alg, ours first", header.replacen('}', r#","alg":"none"}"#, 1)),
            (
                "alg, the same",
                header.replacen('{', &format!(r#"{{"alg":{},"#, scene.thief.header["alg"]), 1),
            ),
            ("alg, escaped", header.replacen('{', r#"{"\u0061lg":"none","#, 1)),
            ("kid", header.replacen('{', r#"{"kid":"other","#, 1)),
            ("kid, the same", header.replacen('{', &format!(r#"{{"kid":{kid},"#), 1)),
            ("typ", header.replacen('{', r#"{"typ":"JWT","#, 1)),
        ] {
            cases.push((format!("header with two {name}"), scene.thief.token_of(double, &claims)));
        }
        for claim in ["sub", "sid", "iss", "aud", "exp", "iat", "jti", "roles"] {
            let value = &scene.thief.claims[claim];
            let first = claims.replacen('{', &format!(r#"{{"{claim}":{value},"#), 1);
            let last = claims
                .strip_suffix('}')
                .map(|rest| format!(r#"{rest},"{claim}":{value}}}"#))
                .unwrap();
            let escaped = format!("\\u{:04x}{}", claim.as_bytes()[0], &claim[1..]);
            let escaped = claims.replacen('{', &format!(r#"{{"{escaped}":{value},"#), 1);
            for double in [first, last, escaped] {
                cases.push((format!("two {claim}"), scene.thief.token_of(&header, double)));
            }
        }
        for (name, extra) in [
            ("of no meaning", r#""x":1,"x":1,"#),
            ("inside", r#""x":[{"y":1,"y":2}],"#),
        ] {
            let double = claims.replacen('{', &format!("{{{extra}"), 1);
            cases.push((format!("two claims {name}"), scene.thief.token_of(&header, double)));
        }
        let bent = |json: &str| -> Vec<(&str, Vec<u8>)> {
            vec![
                ("after a byte order mark", [b"\xef\xbb\xbf", json.as_bytes()].concat()),
                ("in UTF-16", json.encode_utf16().flat_map(u16::to_le_bytes).collect()),
                ("with garbage behind", format!("{json}x").into()),
                ("twice", format!("{json}{json}").into()),
                ("with a zero behind", format!("{json}\0").into()),
                ("cut", json[..json.len() - 1].into()),
                ("with a comment", json.replacen('{', "{/**/", 1).into()),
                ("with a comma too many", json.replacen('}', ",}", 1).into()),
                ("in single quotes", json.replace('"', "'").into()),
                (
                    "with a byte that is no UTF-8",
                    json.replacen('{', r#"{"x":"?","#, 1)
                        .bytes()
                        .map(|b| if b == b'?' { 0xff } else { b })
                        .collect(),
                ),
                (
                    "with half a surrogate",
                    json.replacen('{', r#"{"x":"\ud800","#, 1).into(),
                ),
                ("as an array", format!("[{json}]").into()),
                ("as text", json!(json).to_string().into()),
                ("after a blank", format!(" {json}").into()),
                ("empty", Vec::new()),
                ("null", b"null".into()),
                (
                    "too deep",
                    json.replacen('{', &format!(r#"{{"x":{}{},"#, "[".repeat(500), "]".repeat(500)), 1)
                        .into(),
                ),
            ]
        };
        for (name, other) in bent(&header) {
            cases.push((format!("header {name}"), scene.thief.token_of(other, &claims)));
        }
        for (name, other) in bent(&claims) {
            cases.push((format!("claims {name}"), scene.thief.token_of(&header, other)));
        }
        cases.push((
            "members in order".to_owned(),
            scene
                .thief
                .token_of(json!([scene.thief.header["alg"], kid, "at+jwt"]).to_string(), &claims),
        ));
        cases.extend(respelled(scene));
        invalid(cases)
    })
    .await;
}

/// The same bytes, or nearly, in another text; signed over that text where it can be.
fn respelled(scene: &Scene) -> Vec<(String, String)> {
    let thief = &scene.thief;
    let (header, claims) = (encode(thief.header.to_string()), encode(thief.claims.to_string()));
    let message = format!("{header}.{claims}");
    let token = thief.signed(&message);
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let mut cases = Vec::new();
    for length in 0..3 {
        let blanks = " ".repeat(length);
        let parts = [format!("{}{blanks}", thief.header), format!("{}{blanks}", thief.claims)].map(encode);
        for bent in other_ends(&parts[0])
            .into_iter()
            .chain([format!("{}=", parts[0]), format!("{}==", parts[0])])
        {
            cases.push(("header in another spelling", thief.signed(&format!("{bent}.{claims}"))));
        }
        for bent in other_ends(&parts[1])
            .into_iter()
            .chain([format!("{}=", parts[1]), format!("{}==", parts[1])])
        {
            cases.push(("claims in another spelling", thief.signed(&format!("{header}.{bent}"))));
        }
    }
    for bent in other_ends(&signature) {
        cases.push(("signature in another spelling", format!("{message}.{bent}")));
    }
    for (standard, url) in [('+', '-'), ('/', '_')] {
        // A signature of ours that has such a character.
        let pretty = (0..).map(|n| {
            thief.signed(&format!(
                "{header}.{}",
                encode(changed(&thief.claims, &json!({"x": n})).to_string())
            ))
        });
        let with = pretty
            .into_iter()
            .find(|token| token.rsplit('.').next().unwrap().contains(url))
            .unwrap();
        let (rest, end) = with.rsplit_once('.').unwrap();
        cases.push((
            "the standard alphabet",
            format!("{rest}.{}", end.replace(url, &standard.to_string())),
        ));
    }
    let blank = token.replacen('.', " .", 1);
    for bent in [
        format!("{token}="),
        format!("{token}=="),
        format!("{token}A"),
        format!("{token}AAAA"),
        format!("{token}."),
        format!("{token}.."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.{claims}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.."),
        format!("..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{claims}.{header}.{signature}"),
        format!("\t{token}"),
        format!("{token},{token}"),
        format!("{token} {token}"),
        format!("Bearer {token}"),
        format!("\"{token}\""),
        format!("{token};"),
        token.replace('.', ".."),
        token.replace('.', ","),
        token.replace('.', "%2E"),
        blank,
        token.replace('.', ". "),
        token.replacen(&header[..4], &format!("{}\t", &header[..4]), 1),
        token.to_uppercase(),
        token.to_lowercase(),
        token.chars().rev().collect(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        "e30.e30.e30".to_owned(),
        "e30.e30.".to_owned(),
        "é.é.é".to_owned(),
        "x".repeat(8 * 1024),
        format!("{token}.{}", "x".repeat(8 * 1024)),
        format!("{header}.{}.{signature}", "A".repeat(8 * 1024)),
        "x".repeat(1024 * 1024),
        format!("{message}.{}", "A".repeat(1024 * 1024)),
    ] {
        cases.push(("another text", bent));
    }
    cases.push((
        "longer than ours ever are, rightly signed",
        scene.claims(&json!({"x": "x".repeat(4096)})),
    ));
    let cases = cases.into_iter().enumerate();
    cases
        .map(|(number, (name, token))| (format!("{name} ({number})"), token))
        .collect()
}

/// The texts that differ in the last character alone, and decode to the same bytes: the bits of it that nobody needs are set.
fn other_ends(text: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unused = match text.len() % 4 {
        2 => 15,
        3 => 3,
        _ => return Vec::new(),
    };
    let (rest, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|c| *c == last.as_bytes()[0]).unwrap();
    let others = (1..=unused).map(|bits| char::from(ALPHABET[value | bits]));
    others.map(|last| format!("{rest}{last}")).collect()
}

/// RFC 8725 section 3.3; RFC 8032 section 5.1.7, RFC 7518 section 3.4, RFC 8017 section 8.2.2.
#[tokio::test]
async fn no_signature_but_the_right_one_is_taken() {
    with_each_algorithm("signature", async |scene| {
        let thief = &scene.thief;
        let (header, claims) = (thief.header.to_string(), thief.claims.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let right = thief.sign(&message);
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
            ("with a zero behind", [&right[..], &[0]].concat()),
            ("with a zero before", [&[0], &right[..]].concat()),
            ("twice", [&right[..], &right[..]].concat()),
            ("its halves swapped", halves),
            ("in DER", der),
            ("r and zero", [&right[..32], &vec![0; length - 32]].concat()),
            ("zero and s", [&vec![0; 32], &right[32..]].concat()),
            ("of another message", thief.sign("another message")),
            ("of the claims alone", thief.sign(&encode(&claims))),
            ("of what is encoded", thief.sign(&format!("{header}.{claims}"))),
            ("that verifies in other hands", thief.sign_otherwise(&message)),
        ]
        .map(|(name, signature)| (format!("a signature: {name}"), with(&signature)))
        .into();
        for bit in 0..length * 8 {
            // Each bit of the short ones, one of each byte of RSA's.
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
            ("exp", json!(scene.world.clock.now().seconds() + 9_000)),
            ("sub", json!(scene.jane.user.uuid)),
        ] {
            let changed = changed(&thief.claims, &json!({claim: value})).to_string();
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

/// What no header can hold reaches the gateway in the connection parameters of a WebSocket.
#[tokio::test]
async fn a_token_in_connection_parameters_is_read_as_strictly() {
    let scene = Scene::of("EdDSA").await;
    let (good, url) = (&scene.john.access_token, scene.world.url(""));
    let mut tally = Tally::new("parameters");
    let bearer = |token: &str| json!({"Authorization": format!("Bearer {token}")});
    for parameters in [
        bearer(&format!("{good}\n")),
        bearer(&format!("{good} ")),
        bearer(&format!("\t{good}")),
        bearer(&format!("\u{a0}{good}")),
        bearer(&format!("{good}\u{0}")),
        bearer(&good.replace('.', ".\n")),
        bearer(&good.replace('.', "\u{2024}")),
        json!({"Authorization": format!(" Bearer {good}")}),
        json!({"Authorization": format!("Bearer\n{good}")}),
        json!({"Authorization": [format!("Bearer {good}")]}),
        json!({"Authorization": {"Bearer": good}}),
        json!({"Authorization": good}),
        json!({"Authorization": format!("Bearer {good}"), "authorization": format!("Bearer {good}")}),
        json!({"Authorization": format!("Bearer {good}"), "AUTHORIZATION": null}),
    ] {
        tally.tried(1);
        let mut socket = Socket::with_parameters(&url, parameters.clone()).await;
        socket.subscribe("1", "subscription { sessionEnded { reason } }").await;
        // Answered after whatever is wrong with the subscription before it: one that stands says nothing.
        socket.subscribe("2", "subscription { nothing }").await;
        let answer = socket.message().await;
        let error = &answer["payload"]["errors"][0]["extensions"];
        if (&answer["id"], &error["code"], &error["reason"])
            != (&json!("1"), &json!("UNAUTHENTICATED"), &json!("invalid"))
        {
            tally.accepted(format!("{parameters}: {answer}"));
        }
    }
    tally.finish();
}

/// A refresh token has 296 bits and 50 characters, and every one of them counts.
#[tokio::test]
async fn a_refresh_token_that_was_changed_is_none_and_harms_none() {
    let scene = Scene::of("EdDSA").await;
    let mut tally = Tally::new("refresh");
    let (token, bytes) = (&scene.john.refresh_token, decode(&scene.john.refresh_token));
    let mut forged = other_ends(token);
    assert_eq!((token.len(), bytes.len(), forged.len()), (50, 37, 15));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        forged.push(encode(flipped));
    }
    for (position, right) in token.bytes().enumerate() {
        for bit in 0..7 {
            let wrong = char::from(right ^ (1 << bit));
            forged.push(format!("{}{wrong}{}", &token[..position], &token[position + 1..]));
        }
    }
    // Rightly sealed, and of no version that there is.
    let sealed = |claim: &[u8]| encode([claim, &refresh_tag(claim)].concat());
    assert_eq!(sealed(&bytes[..21]), *token, "the thief can seal");
    for version in (0..=255).filter(|version| *version != 1) {
        forged.push(sealed(&[&[version], &bytes[1..21]].concat()));
    }
    for length in (0..21).chain(22..30) {
        forged.push(sealed(&[&bytes[..21], &[0; 9]].concat()[..length]));
    }
    for length in (0..37).chain(38..46) {
        forged.push(encode(&[&bytes[..], &[0; 9]].concat()[..length]));
    }
    let other = World::with(
        Backend::Sqlite,
        Door::Rest,
        &["--auth-secret", "QW5vdGhlciBzZWNyZXQsIGZvciB0ZXN0cyBhbG9uZS4h"],
    )
    .await;
    let stranger = other.john().await.refresh_token;
    let spliced = format!("{}{}", &token[..28], &scene.jane.refresh_token[28..]);
    forged.extend([
        spliced,
        stranger,
        scene.john.access_token.clone(),
        STANDARD.encode(&bytes),
        format!("{token}="),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\u{0}"),
        token.replace('A', "\u{ff21}"),
        "A".repeat(50),
        "_".repeat(50),
        "é".repeat(25),
        String::new(),
    ]);
    forged.sort();
    forged.dedup();
    for forged in forged.iter().filter(|forged| *forged != token) {
        for door in [Door::Rest, Door::Graphql] {
            tally.tried(1);
            let client = Client {
                door,
                ..scene.world.client()
            };
            match client.refresh(forged).await {
                Err(refusal) if refusal.code == "REFRESH_TOKEN_INVALID" => {}
                Err(refusal) if refusal.code == "INTERNAL" => tally.server_error(forged),
                other => tally.accepted(format!("{forged:?} at {door:?}: {other:?}")),
            }
        }
    }
    scene.assert_good(&scene.john.access_token).await;
    assert!(
        scene.world.refresh(token).await.is_ok(),
        "the session has not been harmed"
    );
    tally.finish();
}
