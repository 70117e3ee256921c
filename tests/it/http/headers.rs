//! Security headers and CORS.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Api, Backend, TestApp, http, raw};

const APP: &str = "https://app.example.com";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert_eq!(values.next(), None, "{name} is sent twice");
    value
}

async fn app(options: &[&str]) -> TestApp {
    let options = [&["--cors-origins", APP], options].concat();
    TestApp::with(Backend::Sqlite, Api::Rest, &options).await
}

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
    let request = http().request(method, app.url(path));
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    let (status, headers, _) = raw(request).await;
    (status, headers)
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let app = app(&[]).await;
    let preflight = [("origin", APP), ("access-control-request-method", "POST")];
    for (method, path, sent) in [
        (Method::GET, "/livez", &[][..]),
        (Method::GET, "/auth/me", &[]),
        (Method::POST, "/auth/login", &[]),
        (Method::POST, "/graphql", &[("accept", "text/plain")]),
        (Method::GET, "/nowhere", &[]),
        (Method::PUT, "/auth/login", &[]),
        (Method::GET, "/openapi.json", &[]),
        (Method::GET, "/graphiql/start.js", &[]),
        (Method::OPTIONS, "/auth/login", &preflight),
    ] {
        let (_, headers) = ask(&app, method.clone(), path, sent).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            (
                "content-security-policy",
                "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(text(&headers, name), Some(value), "{method} {path} {name}");
        }
        assert_eq!(text(&headers, "strict-transport-security"), None, "plain http");
    }
}

#[tokio::test]
async fn graphiql_has_its_own_content_security_policy() {
    let app = app(&[]).await;
    let (_, headers) = ask(&app, Method::GET, "/graphql", &[("accept", "text/html")]).await;
    let policy = text(&headers, "content-security-policy").unwrap();
    for rule in [
        "script-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(text(&headers, "x-frame-options"), Some("DENY"));
    assert_eq!(text(&headers, "referrer-policy"), Some("no-referrer"));
}

#[tokio::test]
async fn over_https_answers_have_strict_transport_security() {
    let app = app(&["--public-url=https://auth.example.com"]).await;
    for path in ["/livez", "/nowhere"] {
        let (_, headers) = ask(&app, Method::GET, path, &[]).await;
        assert_eq!(text(&headers, "strict-transport-security"), Some("max-age=63072000"));
    }
}

#[tokio::test]
async fn the_jwks_is_readable_from_every_origin() {
    let app = app(&[]).await;
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration"] {
        let (status, headers) = ask(&app, Method::GET, path, &[("origin", "https://anybody.example")]).await;
        assert_eq!(status, 200);
        assert_eq!(text(&headers, "access-control-allow-origin"), Some("*"));
        assert_eq!(text(&headers, "cross-origin-resource-policy"), Some("cross-origin"));
        let (_, headers) = ask(&app, Method::GET, path, &[("origin", APP)]).await;
        assert_eq!(
            text(&headers, "access-control-allow-origin"),
            Some(APP),
            "no credentials with the wildcard origin"
        );
    }
}

#[tokio::test]
async fn only_configured_origins_may_read_answers_with_credentials() {
    let app = app(&[]).await;
    for path in ["/auth/me", "/graphql", "/nowhere"] {
        let (_, headers) = ask(&app, Method::GET, path, &[("origin", APP)]).await;
        assert_eq!(text(&headers, "access-control-allow-origin"), Some(APP), "{path}");
        assert_eq!(text(&headers, "access-control-allow-credentials"), Some("true"));
        let exposed = text(&headers, "access-control-expose-headers").unwrap();
        assert!(
            exposed.contains("retry-after") && exposed.contains("x-request-id"),
            "{exposed}"
        );
        for origin in [
            "https://evil.example",
            "null",
            "https://app.example.com.evil.example",
            "http://app.example.com",
        ] {
            let (_, headers) = ask(&app, Method::GET, path, &[("origin", origin)]).await;
            assert_eq!(text(&headers, "access-control-allow-origin"), None, "{path} {origin}");
        }
        for sent in [&[][..], &[("origin", APP)]] {
            let (_, headers) = ask(&app, Method::GET, path, sent).await;
            assert!(
                text(&headers, "vary").unwrap().contains("origin"),
                "caches must keep answers of origins apart"
            );
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_configured_origins() {
    let app = app(&[]).await;
    let asked = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ]
    };
    for path in ["/auth/login", "/graphql", "/nowhere"] {
        let (status, headers) = ask(&app, Method::OPTIONS, path, &asked(APP)).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(text(&headers, "access-control-allow-origin"), Some(APP));
        assert_eq!(text(&headers, "access-control-allow-credentials"), Some("true"));
        assert!(text(&headers, "access-control-allow-methods").unwrap().contains("POST"));
        assert!(
            text(&headers, "access-control-allow-headers")
                .unwrap()
                .contains("authorization")
        );
        let (_, headers) = ask(&app, Method::OPTIONS, path, &asked("https://evil.example")).await;
        assert_eq!(text(&headers, "access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn options_without_a_preflight_gets_405_or_404() {
    let app = app(&[]).await;
    for (path, expected) in [("/auth/login", 405), ("/graphql", 405), ("/nowhere", 404)] {
        let (status, headers, problem) = raw(http().request(Method::OPTIONS, app.url(path))).await;
        assert_eq!(
            (status.as_u16(), &problem["status"]),
            (expected, &json!(expected)),
            "{path}"
        );
        if expected == 405 {
            assert!(text(&headers, "allow").unwrap().contains("POST"));
        }
    }
}
