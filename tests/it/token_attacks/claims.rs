//! Claims with valid signatures that the gateway does not issue.

use std::time::Duration;

use auth_gateway::domain::clock::Clock;
use serde_json::{Value, json};

use super::{ALGORITHMS, Scene, invalid, with_each_algorithm};
use crate::harness::{Api, Backend, TestApp, TokenForger};

/// RFC 7519 section 4.1, RFC 9068 section 4, RFC 8725 sections 3.8 and 3.9.
#[tokio::test]
async fn claims_that_the_gateway_does_not_issue_are_refused() {
    with_each_algorithm("claims", async |scene| {
        let now = scene.app.clock.now().seconds();
        let ours = &scene.forger.claims;
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
                scene
                    .forger
                    .token_of(scene.forger.header.to_string(), nulled.to_string()),
            ));
        }
        let mut nulled = ours.clone();
        nulled["nbf"] = Value::Null;
        cases.push((
            "nbf null".to_owned(),
            scene
                .forger
                .token_of(scene.forger.header.to_string(), nulled.to_string()),
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
async fn one_minute_of_clock_skew_is_accepted_and_no_more() {
    for algorithm in ALGORITHMS {
        let scene = Scene::of(algorithm).await;
        let now = scene.app.clock.now().seconds();
        let ahead = json!({"iat": now + 60, "nbf": now + 60, "exp": now + 900});
        scene.assert_good(&scene.claims(&ahead)).await;
        scene
            .assert_good(&scene.claims(&json!({"an unknown claim": {"x": [1]}})))
            .await;
        scene.app.clock.advance(Duration::from_secs(899));
        scene.assert_good(&scene.john.access_token).await;
        scene.app.clock.advance(Duration::from_secs(1));
        let refused = scene.present(Api::Rest, &scene.john.access_token).await;
        assert_eq!(
            refused.1["reason"], "expired",
            "clock skew does not extend the lifetime"
        );
    }
}

/// RFC 8725 section 2.7.
#[tokio::test]
async fn tokens_for_other_accounts_sessions_audiences_or_issuers_are_refused() {
    with_each_algorithm("substitution", async |scene| {
        let other_secret = "QW5vdGhlciBzZWNyZXQsIGZvciB0ZXN0cyBhbG9uZS4h";
        let algorithm = scene.forger.header["alg"].as_str().unwrap();
        let options = ["--jwt-algorithm", algorithm];
        let elsewhere = TestApp::with(Backend::Sqlite, Api::Rest, &options).await;
        let under_another = TestApp::with(
            Backend::Sqlite,
            Api::Rest,
            &[&options[..], &["--auth-secret", other_secret]].concat(),
        )
        .await;
        let (jane, unknown_account) = (&scene.jane, uuid::Uuid::new_v4().to_string());
        let of_jane = TokenForger::steal_signing_key(&scene.app, &jane.access_token)
            .await
            .claims;
        let ours = &scene.forger.claims;
        let mut cases = invalid(
            [
                ("of another database", elsewhere.john().await.access_token),
                ("of another AUTH_SECRET", under_another.john().await.access_token),
                ("a refresh token", scene.john.refresh_token.clone()),
                (
                    "the session of another account",
                    scene.claims(&json!({"sid": of_jane["sid"]})),
                ),
                (
                    "the id of another account",
                    scene.claims(&json!({"sub": of_jane["sub"]})),
                ),
                ("an unknown account", scene.claims(&json!({"sub": unknown_account}))),
            ]
            .map(|(name, token)| (name.to_owned(), token)),
        );
        for (name, options) in [
            ("for another audience", ["--jwt-audience", "another"]),
            ("of another issuer", ["--public-url", "https://other.example"]),
        ] {
            let node = scene.app.second_node(&options).await;
            let login = json!({"email": "john.doe@example.com", "password": "Password@123"});
            cases.extend(invalid([(
                name.to_owned(),
                node.login(&login).await.unwrap().access_token,
            )]));
        }
        // The signature is valid and the session unknown, as for a session that was deleted after
        // its end.
        let swapped = scene.claims(&json!({"sub": ours["sid"], "sid": ours["sub"]}));
        cases.push(("sub and sid swapped".to_owned(), swapped, "revoked"));
        cases.push((
            "an unknown session".to_owned(),
            scene.claims(&json!({"sid": unknown_account})),
            "revoked",
        ));
        cases
    })
    .await;
}
