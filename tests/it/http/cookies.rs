//! Cookie mode: the scripts of a page never read the refresh token.

use axum::Router;
use axum::response::Html;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Api, Backend, Process, Socket, TestApp, http, node, raw, scenario};

const NAME: &str = "auth_gateway_refresh";
const ATTRIBUTES: &str = "Path=/; HttpOnly; SameSite=Strict";
const MONTH: u64 = 30 * 24 * 60 * 60;

/// An answer of either API.
struct Answer {
    code: String,
    set_cookie: Vec<String>,
    token: Value,
}

impl Answer {
    /// The refresh token in the cookie of the answer, after checks of the cookie's attributes and
    /// the body.
    fn refresh_token_in_cookie(&self) -> String {
        assert_eq!(self.code, "ok");
        assert_eq!(self.token["refresh_token"], Value::Null, "the body has no token");
        assert!(self.token.as_object().unwrap().contains_key("refresh_token"));
        assert_eq!(self.set_cookie.len(), 1, "{:?}", self.set_cookie);
        let value = self.set_cookie[0].strip_prefix(&format!("{NAME}=")).unwrap();
        let (token, rest) = value.split_once("; ").unwrap();
        assert_eq!(rest, format!("Max-Age={MONTH}; {ATTRIBUTES}"));
        assert!(token.len() > 40);
        token.to_owned()
    }

    fn is_refused_and_clears(&self, code: &str) -> bool {
        self.code == code && self.set_cookie == [cleared()]
    }

    fn is_refused(&self, code: &str) -> bool {
        self.code == code && self.set_cookie.is_empty()
    }
}

fn cleared() -> String {
    format!("{NAME}=; Max-Age=0; {ATTRIBUTES}")
}

fn cookie(token: &str) -> [(&'static str, String); 1] {
    [("cookie", format!("other=1; {NAME}={token}"))]
}

/// Sends an operation with these headers and these fields, named as in REST.
async fn ask(app: &TestApp, operation: &str, fields: Value, headers: &[(&str, String)]) -> Answer {
    let request = match app.api {
        Api::Rest => {
            let request = http().post(app.url(&format!("/auth/{operation}")));
            if fields == json!({}) {
                request
            } else {
                request.json(&fields)
            }
        }
        Api::Graphql => http()
            .post(app.url("/graphql"))
            .json(&json!({ "query": mutation(operation, &fields) })),
    };
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, value));
    let (_, headers, body) = raw(request).await;
    let set_cookie = lines(&headers, "set-cookie");
    let (code, token) = match app.api {
        Api::Rest => (&body["code"], &body["token"]),
        Api::Graphql => {
            let name = if operation == "refresh" {
                "refreshToken"
            } else {
                operation
            };
            (&body["errors"][0]["extensions"]["code"], &body["data"][name]["token"])
        }
    };
    Answer {
        code: code.as_str().unwrap_or("ok").to_owned(),
        set_cookie,
        token: token.clone(),
    }
}

fn mutation(operation: &str, fields: &Value) -> String {
    let mut input = fields.as_object().unwrap().clone();
    let mut arguments = Vec::new();
    for (name, argument) in [("mode", "mode"), ("scope", "scope"), ("refresh_token", "refreshToken")] {
        let Some(value) = input.remove(name) else { continue };
        let text = value.as_str().unwrap();
        arguments.push(if name == "refresh_token" {
            format!("{argument}: {value}")
        } else {
            format!("{argument}: {}", text.to_uppercase())
        });
    }
    if !input.is_empty() {
        let literals: Vec<String> = input.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        arguments.push(format!("input: {{{}}}", literals.join(", ")));
    }
    let name = if operation == "refresh" {
        "refreshToken"
    } else {
        operation
    };
    let arguments = if arguments.is_empty() {
        String::new()
    } else {
        format!("({})", arguments.join(", "))
    };
    let payload = if operation == "logout" {
        ""
    } else {
        "{ token { access_token: accessToken refresh_token: refreshToken } }"
    };
    format!("mutation {{ {name}{arguments} {payload} }}")
}

fn lines(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

fn login_by(mode: &str) -> Value {
    json!({"email": "john.doe@example.com", "password": "Password@123", "mode": mode})
}

async fn registered_by_cookie(app: &TestApp) -> String {
    let input =
        json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe", "mode": "cookie"});
    ask(app, "register", input, &[]).await.refresh_token_in_cookie()
}

scenario! {
    async fn refresh_rotates_the_cookie_and_logout_clears_it(app: &TestApp) {
        let first = registered_by_cookie(app).await;
        let second = ask(app, "refresh", json!({}), &cookie(&first)).await.refresh_token_in_cookie();
        assert_ne!(first, second);
        let third = ask(app, "refresh", json!({"mode": "body"}), &cookie(&second)).await.refresh_token_in_cookie();
        let again = ask(app, "refresh", json!({"mode": "cookie"}), &cookie(&second)).await.refresh_token_in_cookie();
        assert_eq!(third, again, "within the grace period");
        let logout = ask(app, "logout", json!({}), &cookie(&third)).await;
        assert_eq!((logout.code.as_str(), logout.set_cookie), ("ok", vec![cleared()]));
        let after = ask(app, "refresh", json!({}), &cookie(&third)).await;
        assert!(after.is_refused_and_clears("REFRESH_TOKEN_INVALID"));
        let twice = ask(app, "logout", json!({}), &cookie(&third)).await;
        assert_eq!((twice.code.as_str(), twice.set_cookie), ("ok", vec![cleared()]), "a second logout succeeds");
    }
}

scenario! {
    async fn a_token_in_the_body_takes_precedence_and_leaves_the_cookie_unchanged(app: &TestApp) {
        let in_cookie = registered_by_cookie(app).await;
        let given = app.login("john.doe@example.com", "Password@123").await.unwrap().refresh_token;
        let renewed = ask(app, "refresh", json!({"refresh_token": given}), &cookie(&in_cookie)).await;
        assert!(renewed.set_cookie.is_empty());
        let given = renewed.token["refresh_token"].as_str().unwrap();
        let nonsense = ask(app, "refresh", json!({"refresh_token": ""}), &cookie(&in_cookie)).await;
        assert!(nonsense.is_refused("REFRESH_TOKEN_INVALID"));
        let logout = ask(app, "logout", json!({"refresh_token": given}), &cookie(&in_cookie)).await;
        assert!(logout.is_refused("ok"));
        assert_eq!(app.refresh(given).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
        ask(app, "refresh", json!({}), &cookie(&in_cookie)).await.refresh_token_in_cookie();
    }
}

scenario! {
    async fn a_session_can_move_into_the_cookie_but_not_out_of_it(app: &TestApp) {
        let john = app.john().await;
        let moved = ask(app, "refresh", json!({"refresh_token": john.refresh_token, "mode": "cookie"}), &[]).await.refresh_token_in_cookie();
        ask(app, "refresh", json!({"mode": "body"}), &cookie(&moved)).await.refresh_token_in_cookie();
        let login = ask(app, "login", login_by("cookie"), &cookie(&moved)).await.refresh_token_in_cookie();
        assert_ne!(login, moved);
        let in_body = ask(app, "login", login_by("body"), &cookie(&moved)).await;
        assert!(in_body.set_cookie.is_empty() && in_body.token["refresh_token"].is_string());
    }
}

scenario! {
    async fn an_invalid_cookie_is_refused_and_cleared(app: &TestApp) {
        let good = registered_by_cookie(app).await;
        let forged = format!("{}AAAA", &good[..good.len() - 4]);
        let several = format!("{good}; {NAME}={good}");
        for value in ["", "nonsense", "\u{e9}", &forged, &several] {
            for operation in ["refresh", "logout"] {
                let answer = ask(app, operation, json!({}), &cookie(value)).await;
                assert!(answer.is_refused_and_clears("REFRESH_TOKEN_INVALID"), "{operation} {value}: {}", answer.code);
            }
        }
        let two_lines = [cookie(&good), cookie("")].concat();
        assert!(ask(app, "refresh", json!({}), &two_lines).await.is_refused_and_clears("REFRESH_TOKEN_INVALID"));
        ask(app, "refresh", json!({}), &cookie(&good)).await.refresh_token_in_cookie();
    }
}

scenario! {
    async fn a_reused_cookie_ends_its_session_and_is_cleared(app: &TestApp) {
        for operation in ["refresh", "logout"] {
            let login = json!({"email": "john.doe@example.com", "password": "Password@123", "mode": "cookie"});
            let first = if operation == "refresh" { registered_by_cookie(app).await } else { ask(app, "login", login, &[]).await.refresh_token_in_cookie() };
            let second = ask(app, "refresh", json!({}), &cookie(&first)).await.refresh_token_in_cookie();
            app.clock.advance(std::time::Duration::from_secs(11));
            let fields = if operation == "logout" { json!({"scope": "all"}) } else { json!({}) };
            let late = ask(app, operation, fields, &cookie(&first)).await;
            assert!(late.is_refused_and_clears("REFRESH_TOKEN_REUSED"), "{}", late.code);
            assert!(ask(app, "refresh", json!({}), &cookie(&second)).await.is_refused_and_clears("REFRESH_TOKEN_INVALID"));
        }
    }
}

scenario! {
    async fn logout_of_others_keeps_the_cookie_and_logout_of_all_clears_it(app: &TestApp) {
        let here = registered_by_cookie(app).await;
        let there = app.login("john.doe@example.com", "Password@123").await.unwrap();
        let others = ask(app, "logout", json!({"scope": "others"}), &cookie(&here)).await;
        assert!(others.is_refused("ok"));
        assert!(app.me(&there.access_token).await.is_err());
        let here = ask(app, "refresh", json!({}), &cookie(&here)).await.refresh_token_in_cookie();
        let all = ask(app, "logout", json!({"scope": "all"}), &cookie(&here)).await;
        assert_eq!((all.code.as_str(), all.set_cookie), ("ok", vec![cleared()]));
    }
}

scenario! {
    async fn foreign_origins_cannot_use_the_cookie(app: &TestApp) {
        let token = registered_by_cookie(app).await;
        let foreign: [&[(&str, &str)]; 6] = [
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")],
            &[("sec-fetch-site", "none"), ("origin", "https://evil.example")],
            &[("origin", "http://localhost:8000"), ("origin", "http://localhost:8000")],
        ];
        for page in foreign {
            let page: Vec<(&str, String)> = page.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let with_cookie = [&cookie(&token)[..], &page].concat();
            for fields in [json!({}), json!({"mode": "cookie"})] {
                assert!(ask(app, "refresh", fields, &with_cookie).await.is_refused("FORBIDDEN"), "{page:?}");
            }
            assert!(ask(app, "logout", json!({}), &with_cookie).await.is_refused("FORBIDDEN"), "{page:?}");
            let unusable = [&cookie("")[..], &page].concat();
            assert!(ask(app, "refresh", json!({}), &unusable).await.is_refused("FORBIDDEN"), "a foreign page cannot clear the cookie");
            assert!(ask(app, "login", login_by("cookie"), &page).await.is_refused("FORBIDDEN"), "a foreign page cannot sign a browser in");
            let body = ask(app, "login", login_by("body"), &with_cookie).await;
            assert!(body.token["refresh_token"].is_string(), "CORS governs operations without the cookie");
        }
        for page in [[("origin", "http://localhost:8000")], [("sec-fetch-site", "same-origin")], [("sec-fetch-site", "none")]] {
            let page = page.map(|(name, value)| (name, value.to_owned()));
            ask(app, "refresh", json!({}), &[&cookie(&token)[..], &page].concat()).await.refresh_token_in_cookie();
        }
    }
}

scenario! {
    async fn me_and_sessions_do_not_read_the_cookie(app: &TestApp) {
        let token = registered_by_cookie(app).await;
        let cookie = cookie(&token);
        let headers = cookie.each_ref().map(|(name, value)| (*name, value.as_str()));
        let refusal = app.client().me_with(&headers).await.unwrap_err();
        assert_eq!(refusal.reason.as_deref(), Some("missing"));
        let (path, method) = match app.api {
            Api::Rest => ("/auth/sessions", reqwest::Method::GET),
            Api::Graphql => ("/graphql", reqwest::Method::POST),
        };
        let request = http().request(method, app.url(path)).header("cookie", headers[0].1);
        let (_, answered, body) = raw(request.json(&json!({"query": "{ sessions { id } }"}))).await;
        assert!(body.to_string().contains("UNAUTHENTICATED"), "{body}");
        assert!(lines(&answered, "set-cookie").is_empty());
    }
}

scenario! {
    async fn without_a_cookie_each_operation_reports_what_is_missing(app: &TestApp) {
        assert!(ask(app, "refresh", json!({}), &[]).await.is_refused("BAD_REQUEST"));
        assert!(ask(app, "refresh", json!({"mode": "cookie"}), &[]).await.is_refused("REFRESH_TOKEN_INVALID"));
        assert!(ask(app, "logout", json!({}), &[]).await.is_refused("UNAUTHENTICATED"));
        let failed = json!({"email": "john.doe@example.com", "password": "wrong", "mode": "cookie"});
        assert!(ask(app, "login", failed, &[]).await.is_refused("INVALID_CREDENTIALS"));
    }
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    for api in [Api::Rest, Api::Graphql] {
        let options = [
            "--public-url=https://auth.example.com/base",
            "--refresh-token-ttl=2h",
            "--cors-origins=https://app.example.com",
        ];
        let app = TestApp::with(Backend::Sqlite, api, &options).await;
        app.john().await;
        let answer = ask(&app, "login", login_by("cookie"), &[]).await;
        let set = answer.set_cookie[0]
            .strip_prefix("__Host-auth_gateway_refresh=")
            .unwrap();
        let (token, rest) = set.split_once("; ").unwrap();
        assert_eq!(rest, "Max-Age=7200; Path=/; HttpOnly; SameSite=Strict; Secure");
        let plain = ask(&app, "refresh", json!({}), &cookie(token)).await;
        assert!(
            plain.is_refused("BAD_REQUEST"),
            "a subdomain can set a cookie without the __Host- prefix"
        );
        for origin in ["https://auth.example.com", "https://app.example.com"] {
            let headers = [
                ("cookie", format!("__Host-auth_gateway_refresh={token}")),
                ("origin", origin.to_owned()),
                ("sec-fetch-site", "same-site".to_owned()),
            ];
            assert_eq!(ask(&app, "refresh", json!({}), &headers).await.code, "ok", "{origin}");
        }
        let headers = [
            ("cookie", format!("__Host-auth_gateway_refresh={token}")),
            ("origin", "http://auth.example.com".to_owned()),
        ];
        assert!(ask(&app, "refresh", json!({}), &headers).await.is_refused("FORBIDDEN"));
    }
}

/// An answer has one `Set-Cookie`, even if one request signs in several times.
#[tokio::test]
async fn the_last_sign_in_of_a_request_is_in_the_cookie() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let old = registered_by_cookie(&app).await;
    let login =
        r#"login(input: {username: "johndoe", password: "Password@123"}, mode: COOKIE) { token { refreshToken } }"#;
    let query = format!("mutation {{ a: {login} b: {login} logout }}");
    let request = http().post(app.url("/graphql")).json(&json!({ "query": query }));
    let (_, headers, body) = raw(request.header("cookie", format!("{NAME}={old}"))).await;
    assert_eq!(body["data"]["logout"], true, "{body}");
    let set = lines(&headers, "set-cookie");
    assert_eq!(set.len(), 1);
    let token = set[0].split(['=', ';']).nth(1).unwrap();
    ask(&app, "refresh", json!({}), &cookie(token))
        .await
        .refresh_token_in_cookie();
    let gone = ask(&app, "refresh", json!({}), &cookie(&old)).await;
    assert!(gone.is_refused_and_clears("REFRESH_TOKEN_INVALID"));
}

/// A page of any origin can open a WebSocket, and the browser sends the cookie with the handshake.
#[tokio::test]
async fn a_websocket_does_not_read_the_cookie() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let token = registered_by_cookie(&app).await;
    let cookie = format!("{NAME}={token}");
    let mut socket = Socket::open_with(&app.url(""), &[("cookie", &cookie)]).await;
    socket.send(&json!({"type": "connection_init"})).await;
    assert_eq!(socket.message().await["type"], "connection_ack");
    for (id, query) in [
        ("1", "mutation { refreshToken { token { accessToken } } }"),
        ("2", "subscription { sessionEnded { reason } }"),
    ] {
        socket.subscribe(id, query).await;
        let refused = socket.message().await;
        let code = if id == "1" { "BAD_REQUEST" } else { "UNAUTHENTICATED" };
        assert!(refused.to_string().contains(code), "{refused}");
        if id == "1" {
            assert_eq!(socket.message().await["type"], "complete");
        }
    }
}

/// Serves an empty page at a free port of this host.
async fn page(host: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let blank = || async { Html("<!doctype html><title>A page</title>") };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(blank)).await });
    format!("http://{host}:{port}")
}

/// Pages of the gateway's own origin and of `CORS_ORIGINS` sign in and refresh without reading the
/// token. Pages of other origins are refused.
#[tokio::test(flavor = "multi_thread")]
async fn in_chromium_pages_use_the_cookie_without_reading_the_token() {
    let (friend, stranger, neighbour) = (
        page("localhost").await,
        page("localhost").await,
        page("127.0.0.1").await,
    );
    let folder = tempfile::tempdir().unwrap();
    let options = ["--argon2-memory-kib=128", "--cors-origins", &friend];
    let gateway = Process::start(folder.path(), &options);
    let gateway_origin = gateway.url.replace("127.0.0.1", "localhost");
    let run =
        tokio::task::spawn_blocking(move || node(&["cookies.mjs", &gateway_origin, &friend, &stranger, &neighbour]));
    let run = run.await.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
