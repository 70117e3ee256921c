//! Answers to invalid requests: the code, the status, the field, and no stored row.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Backend, TestApp, http, raw, scenario};

fn registration(changes: &Value) -> Value {
    let mut input = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    for (name, value) in changes.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

scenario! {
    async fn an_invalid_field_is_named_and_nothing_is_stored(app: &TestApp) {
        let at_least = |length: usize| "é".repeat(length);
        for (changes, field) in [
            (json!({"email": ""}), "email"),
            (json!({"email": "john.doe"}), "email"),
            (json!({"email": "john@localhost"}), "email"),
            (json!({"email": "john\u{0}@example.com"}), "email"),
            (json!({"email": format!("{}@example.com", "a".repeat(250))}), "email"),
            (json!({"password": ""}), "password"),
            (json!({"password": at_least(7)}), "password"),
            (json!({"password": at_least(257)}), "password"),
            (json!({"password": "          "}), "password"),
            (json!({"password": "\u{a0}\u{2003}\u{3000} \u{a0}\u{2003}\u{3000} "}), "password"),
            (json!({"password": "pass\u{0}word1"}), "password"),
            (json!({"password": "pass\u{7}word\u{1b}[2J"}), "password"),
            (json!({"password": "12345678"}), "password"),
            (json!({"password": "PASSWORD1"}), "password"),
            (json!({"username": ""}), "username"),
            (json!({"username": "jo"}), "username"),
            (json!({"username": "j".repeat(33)}), "username"),
            (json!({"username": "<script>alert(1)</script>"}), "username"),
            (json!({"username": "john doe"}), "username"),
            (json!({"username": "john\u{0}doe"}), "username"),
        ] {
            let refusal = app.client().register(&registration(&changes)).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.fields), ("VALIDATION_FAILED", vec![field.to_owned()]), "{changes}");
        }
        assert_eq!(app.stores.rows().await, (0, 0));
        for password in [at_least(8), at_least(256)] {
            let input = registration(&json!({"password": password, "email": format!("{}@example.com", password.len()), "username": format!("john{}", password.len())}));
            assert!(app.client().register(&input).await.is_ok(), "the bounds are valid");
        }
    }
}

scenario! {
    async fn a_missing_unknown_or_mistyped_field_is_named_and_nothing_is_stored(app: &TestApp) {
        let mut without_password = registration(&json!({}));
        without_password.as_object_mut().unwrap().remove("password");
        for (input, field) in [
            (without_password, "password"),
            (registration(&json!({"admin": true})), "admin"),
            (registration(&json!({"email": 42})), "email"),
            (registration(&json!({"username": null})), "username"),
            (registration(&json!({"password": ["Password@123"]})), "password"),
            (registration(&json!({"password": {"text": "Password@123"}})), "password"),
        ] {
            let refusal = app.client().register(&input).await.unwrap_err();
            assert_eq!(refusal.code, "BAD_REQUEST", "{input}");
            assert!(refusal.names(field), "{refusal:?} does not name {field}");
            assert!(!refusal.message.contains("Password@123"), "{refusal:?} repeats a password");
        }
        assert_eq!(app.stores.rows().await, (0, 0));
    }
}

/// Method, path, media type and body of a request; status and code of the answer.
type Case<'a> = (Method, &'a str, Option<&'a str>, Vec<u8>, u16, &'a str);

#[tokio::test]
async fn malformed_rest_requests_get_problem_documents() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let json = Some("application/json");
    let good = registration(&json!({})).to_string().into_bytes();
    let huge = format!(r#"{{"email":"{}"}}"#, "x".repeat(1 << 20)).into_bytes();
    let double = br#"{"email":"a@example.com","email":"b@example.com","password":"Password@123","username":"johndoe"}"#;
    let post = || Method::POST;
    let cases: Vec<Case> = vec![
        (post(), "/auth/register", json, b"".into(), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, b"{".into(), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, b"not json".into(), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, b"null".into(), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, b"[]".into(), 400, "BAD_REQUEST"),
        (
            post(),
            "/auth/register",
            json,
            br#"["a@example.com","Password@123","johndoe"]"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (post(), "/auth/register", json, br#""text""#.into(), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, b"\xff\xfe".into(), 400, "BAD_REQUEST"),
        (
            post(),
            "/auth/register",
            json,
            [good.as_slice(), b"{}"].concat(),
            400,
            "BAD_REQUEST",
        ),
        (post(), "/auth/register", json, double.into(), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, b"[".repeat(100_000), 400, "BAD_REQUEST"),
        (post(), "/auth/register", json, huge, 413, "PAYLOAD_TOO_LARGE"),
        (
            post(),
            "/auth/register",
            None,
            good.clone(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            post(),
            "/auth/register",
            Some("text/plain"),
            good.clone(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            post(),
            "/auth/register",
            Some("application/x-www-form-urlencoded"),
            good.clone(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            post(),
            "/auth/register",
            Some("application/json; charset=latin1"),
            good.clone(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            Method::GET,
            "/auth/register",
            None,
            b"".into(),
            405,
            "METHOD_NOT_ALLOWED",
        ),
        (Method::DELETE, "/auth/me", None, b"".into(), 405, "METHOD_NOT_ALLOWED"),
        (post(), "/auth/refresh", json, b"{}".into(), 400, "BAD_REQUEST"),
        (
            post(),
            "/auth/refresh",
            json,
            br#"{"refreshToken":"x"}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/auth/logout",
            json,
            br#"{"scope":"everything"}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/auth/logout",
            json,
            br#"{"scope":5}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/auth/logout",
            Some("text/plain"),
            b"x".into(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (post(), "/auth/nowhere", json, good.clone(), 404, "NOT_FOUND"),
        (Method::GET, "/", None, b"".into(), 404, "NOT_FOUND"),
        (
            Method::GET,
            "/auth/../../etc/passwd",
            None,
            b"".into(),
            404,
            "NOT_FOUND",
        ),
    ];
    for (method, path, media, body, status, code) in cases {
        let request = http().request(method.clone(), app.url(path)).body(body.clone());
        let request = media
            .into_iter()
            .fold(request, |request, media| request.header("content-type", media));
        let (got, headers, problem) = raw(request).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(
            (got.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{method} {path} {shown}: {problem}"
        );
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers.contains_key("allow"), status == 405, "{method} {path}");
    }
    assert_eq!(app.stores.rows().await, (0, 0));
    let request = http()
        .post(app.url("/auth/register"))
        .header("content-type", "application/json; charset=UTF-8");
    assert_eq!(raw(request.body(good)).await.0, 201);
}

#[tokio::test]
async fn malformed_graphql_requests_get_graphql_errors() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let json = Some("application/json");
    let mutation = br#"{"query":"mutation { logout }"}"#;
    let huge = format!(
        r#"{{"query":"{{ me {{ id }} }}","extensions":{{"x":"{}"}}}}"#,
        "x".repeat(1 << 20)
    )
    .into_bytes();
    let deep = format!(r#"{{"query":"{}"}}"#, "{ me ".repeat(10_000)).into_bytes();
    let link = "/graphql?query=mutation%7Blogout%7D";
    let post = || Method::POST;
    let cases: Vec<Case> = vec![
        (post(), "/graphql", json, b"".into(), 400, "BAD_REQUEST"),
        (post(), "/graphql", json, b"{".into(), 400, "BAD_REQUEST"),
        (post(), "/graphql", json, b"null".into(), 400, "BAD_REQUEST"),
        (
            post(),
            "/graphql",
            json,
            br#"[{"query":"{ me { id } }"}]"#.into(),
            400,
            "GRAPHQL_BATCH",
        ),
        (post(), "/graphql", json, br#"{"query":42}"#.into(), 400, "BAD_REQUEST"),
        (
            post(),
            "/graphql",
            json,
            br#"{"query":"{ me { id } }","variables":"x"}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/graphql",
            json,
            br#"{"query":"{ me { id } }","operationName":1}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/graphql",
            json,
            br#"{"query":"{ nothing }"}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/graphql",
            json,
            br#"{"query":"{ me { passwordHash } }"}"#.into(),
            400,
            "BAD_REQUEST",
        ),
        (
            post(),
            "/graphql",
            json,
            br#"{"query":"mutation { refreshToken { user { id } } }"}"#.into(),
            200,
            "BAD_REQUEST",
        ),
        (post(), "/graphql", json, deep, 400, "GRAPHQL_TOO_DEEP"),
        (post(), "/graphql", json, huge, 413, "PAYLOAD_TOO_LARGE"),
        (post(), "/graphql", None, mutation.into(), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            post(),
            "/graphql",
            Some("text/plain"),
            mutation.into(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            post(),
            "/graphql",
            Some("multipart/form-data; boundary=x"),
            mutation.into(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (Method::GET, link, None, b"".into(), 405, "METHOD_NOT_ALLOWED"),
        (Method::GET, "/graphql", None, b"".into(), 400, "BAD_REQUEST"),
        (Method::GET, "/graphql?query=%7B", None, b"".into(), 400, "BAD_REQUEST"),
        (
            Method::PUT,
            "/graphql",
            json,
            mutation.into(),
            405,
            "METHOD_NOT_ALLOWED",
        ),
    ];
    for (method, path, media, body, status, code) in cases {
        let request = http().request(method.clone(), app.url(path)).body(body.clone());
        let request = request.header("accept", "application/graphql-response+json");
        let request = media
            .into_iter()
            .fold(request, |request, media| request.header("content-type", media));
        let (got, _, answer) = raw(request).await;
        let got_code = answer["errors"][0]["extensions"]["code"]
            .as_str()
            .or(answer["code"].as_str());
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(
            (got.as_u16(), got_code),
            (status, Some(code)),
            "{method} {path} {shown}: {answer:.200}"
        );
        assert_eq!(answer.get("data").is_some(), status == 200, "{answer}");
    }
}

#[tokio::test]
async fn a_syntax_error_does_not_quote_the_document() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let query = r#"mutation { login(input: {username: "johndoe", password: "hunter2-hunter2" }) { nothing }"#;
    let (_, _, answer) = raw(http().post(app.url("/graphql")).json(&json!({ "query": query }))).await;
    assert!(!answer.to_string().contains("hunter2"), "{answer}");
    assert_eq!(answer["errors"][0]["locations"][0]["line"], 1);
}

#[tokio::test]
async fn without_a_token_me_is_null_and_other_fields_are_answered() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let query = json!({"query": "{ me { uuid } other: __typename }"});
    let (status, _, answer) = raw(http().post(app.url("/graphql")).json(&query)).await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"], json!({"me": null, "other": "Query"}));
    assert_eq!(answer["errors"][0]["path"], json!(["me"]));
    assert_eq!(
        answer["errors"][0]["extensions"],
        json!({"code": "UNAUTHENTICATED", "reason": "missing"})
    );
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unsupported_accept_is_refused_and_a_valid_request_id_is_kept() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let request = http()
        .post(app.url("/graphql"))
        .header("accept", "image/png")
        .json(&json!({"query": "{ me { id } }"}));
    assert_eq!(raw(request).await.0, StatusCode::NOT_ACCEPTABLE);
    for (sent, is_kept) in [
        ("abc-123_X.9", true),
        ("a b", false),
        ("<b>", false),
        (&"x".repeat(65), false),
    ] {
        let (_, headers, _) = raw(http().get(app.url("/livez")).header("x-request-id", sent)).await;
        assert_eq!(headers["x-request-id"] == sent, is_kept, "{sent}");
    }
}
