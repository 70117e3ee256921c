//! Encodings: each token has exactly one text.

use serde_json::json;

use super::{Scene, changed, invalid, other_ends, with_each_algorithm};
use crate::harness::{AttackReport, Socket, encode};

/// RFC 8725 section 2.6.
#[tokio::test]
async fn a_token_in_another_encoding_is_refused() {
    with_each_algorithm("spelling", async |scene| {
        let (header, claims) = (scene.forger.header.to_string(), scene.forger.claims.to_string());
        let kid = &scene.forger.header["kid"];
        let mut cases: Vec<(String, String)> = Vec::new();
        for (name, double) in [
            (
                "two alg, the correct one last",
                header.replacen('{', r#"{"alg":"none","#, 1),
            ),
            (
                "two alg, the correct one first",
                header.replacen('}', r#","alg":"none"}"#, 1),
            ),
            (
                "alg twice",
                header.replacen('{', &format!(r#"{{"alg":{},"#, scene.forger.header["alg"]), 1),
            ),
            ("alg, escaped", header.replacen('{', r#"{"\u0061lg":"none","#, 1)),
            ("kid", header.replacen('{', r#"{"kid":"other","#, 1)),
            ("kid twice", header.replacen('{', &format!(r#"{{"kid":{kid},"#), 1)),
            ("typ", header.replacen('{', r#"{"typ":"JWT","#, 1)),
        ] {
            cases.push((
                format!("header with two {name}"),
                scene.forger.token_of(double, &claims),
            ));
        }
        for claim in ["sub", "sid", "iss", "aud", "exp", "iat", "jti", "roles"] {
            let value = &scene.forger.claims[claim];
            let first = claims.replacen('{', &format!(r#"{{"{claim}":{value},"#), 1);
            let last = claims
                .strip_suffix('}')
                .map(|rest| format!(r#"{rest},"{claim}":{value}}}"#))
                .unwrap();
            let escaped = format!("\\u{:04x}{}", claim.as_bytes()[0], &claim[1..]);
            let escaped = claims.replacen('{', &format!(r#"{{"{escaped}":{value},"#), 1);
            for double in [first, last, escaped] {
                cases.push((format!("two {claim}"), scene.forger.token_of(&header, double)));
            }
        }
        for (name, extra) in [
            ("that are unknown", r#""x":1,"x":1,"#),
            ("inside", r#""x":[{"y":1,"y":2}],"#),
        ] {
            let double = claims.replacen('{', &format!("{{{extra}"), 1);
            cases.push((format!("two claims {name}"), scene.forger.token_of(&header, double)));
        }
        let bent = |json: &str| -> Vec<(&str, Vec<u8>)> {
            vec![
                ("after a byte order mark", [b"\xef\xbb\xbf", json.as_bytes()].concat()),
                ("in UTF-16", json.encode_utf16().flat_map(u16::to_le_bytes).collect()),
                ("with a byte appended", format!("{json}x").into()),
                ("twice", format!("{json}{json}").into()),
                ("with a NUL appended", format!("{json}\0").into()),
                ("cut", json[..json.len() - 1].into()),
                ("with a comment", json.replacen('{', "{/**/", 1).into()),
                ("with a trailing comma", json.replacen('}', ",}", 1).into()),
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
            cases.push((format!("header {name}"), scene.forger.token_of(other, &claims)));
        }
        for (name, other) in bent(&claims) {
            cases.push((format!("claims {name}"), scene.forger.token_of(&header, other)));
        }
        cases.push((
            "members in order".to_owned(),
            scene
                .forger
                .token_of(json!([scene.forger.header["alg"], kid, "at+jwt"]).to_string(), &claims),
        ));
        cases.extend(in_other_encodings(scene));
        invalid(cases)
    })
    .await;
}

/// Other texts of the same or similar bytes, with valid signatures where possible.
fn in_other_encodings(scene: &Scene) -> Vec<(String, String)> {
    let forger = &scene.forger;
    let (header, claims) = (encode(forger.header.to_string()), encode(forger.claims.to_string()));
    let message = format!("{header}.{claims}");
    let token = forger.signed(&message);
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let mut cases = Vec::new();
    for length in 0..3 {
        let blanks = " ".repeat(length);
        let parts = [
            format!("{}{blanks}", forger.header),
            format!("{}{blanks}", forger.claims),
        ]
        .map(encode);
        for bent in other_ends(&parts[0])
            .into_iter()
            .chain([format!("{}=", parts[0]), format!("{}==", parts[0])])
        {
            cases.push(("header in another encoding", forger.signed(&format!("{bent}.{claims}"))));
        }
        for bent in other_ends(&parts[1])
            .into_iter()
            .chain([format!("{}=", parts[1]), format!("{}==", parts[1])])
        {
            cases.push(("claims in another encoding", forger.signed(&format!("{header}.{bent}"))));
        }
    }
    for bent in other_ends(&signature) {
        cases.push(("signature in another encoding", format!("{message}.{bent}")));
    }
    for (standard, url) in [('+', '-'), ('/', '_')] {
        // A valid signature that contains such a character.
        let pretty = (0..).map(|n| {
            forger.signed(&format!(
                "{header}.{}",
                encode(changed(&forger.claims, &json!({"x": n})).to_string())
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
        "x".repeat(64 * 1024),
        format!("{message}.{}", "A".repeat(64 * 1024)),
    ] {
        cases.push(("another text", bent));
    }
    cases.push((
        "longer than any issued token, with a valid signature",
        scene.claims(&json!({"x": "x".repeat(4096)})),
    ));
    let cases = cases.into_iter().enumerate();
    cases
        .map(|(number, (name, token))| (format!("{name} ({number})"), token))
        .collect()
}

/// Connection parameters of a WebSocket can contain characters that no header can.
#[tokio::test]
async fn tokens_in_connection_parameters_are_read_as_strictly() {
    let scene = Scene::of("EdDSA").await;
    let (good, url) = (&scene.john.access_token, scene.app.url(""));
    let mut report = AttackReport::new("parameters");
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
        report.tried(1);
        let mut socket = Socket::with_parameters(&url, parameters.clone()).await;
        socket.subscribe("1", "subscription { sessionEnded { reason } }").await;
        // The error of the subscription before comes first. An accepted subscription sends nothing.
        socket.subscribe("2", "subscription { nothing }").await;
        let answer = socket.message().await;
        let error = &answer["payload"]["errors"][0]["extensions"];
        if (&answer["id"], &error["code"], &error["reason"])
            != (&json!("1"), &json!("UNAUTHENTICATED"), &json!("invalid"))
        {
            report.accepted(format!("{parameters}: {answer}"));
        }
    }
    report.finish();
}
