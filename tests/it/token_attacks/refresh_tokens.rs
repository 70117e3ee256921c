//! Changed refresh tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Scene, other_ends};
use crate::harness::{Api, AttackReport, Backend, Client, TestApp, decode, encode, refresh_tag};

/// A change of any of the 296 bits or 50 characters of a refresh token must make it invalid.
#[tokio::test]
async fn a_changed_refresh_token_is_refused_and_ends_no_session() {
    let scene = Scene::of("EdDSA").await;
    let mut report = AttackReport::new("refresh");
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
    // A valid tag over an unknown version.
    let sealed = |claim: &[u8]| encode([claim, &refresh_tag(claim)].concat());
    assert_eq!(sealed(&bytes[..21]), *token, "the forger can compute the tag");
    for version in (0..=255).filter(|version| *version != 1) {
        forged.push(sealed(&[&[version], &bytes[1..21]].concat()));
    }
    for length in (0..21).chain(22..30) {
        forged.push(sealed(&[&bytes[..21], &[0; 9]].concat()[..length]));
    }
    for length in (0..37).chain(38..46) {
        forged.push(encode(&[&bytes[..], &[0; 9]].concat()[..length]));
    }
    let other = TestApp::with(
        Backend::Sqlite,
        Api::Rest,
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
        for api in [Api::Rest, Api::Graphql] {
            report.tried(1);
            let client = Client {
                api,
                ..scene.app.client()
            };
            match client.refresh(forged).await {
                Err(refusal) if refusal.code == "REFRESH_TOKEN_INVALID" => {}
                Err(refusal) if refusal.code == "INTERNAL" => report.server_error(forged),
                other => report.accepted(format!("{forged:?} at {api:?}: {other:?}")),
            }
        }
    }
    scene.assert_good(&scene.john.access_token).await;
    assert!(scene.app.refresh(token).await.is_ok(), "the session continues");
    report.finish();
}
