//! The log at its most verbose level contains no password, token or key.

use std::fs::{self, File};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{AttackReport, Backend, Process, Socket, Stores, http, raw};

/// A gateway with verbose logs, and the secrets that must not be in them.
struct Talker {
    gateway: Process,
    stores: Stores,
    secrets: Vec<(String, String)>,
}

impl Talker {
    async fn start(backend: Backend, format: &str) -> Self {
        let stores = Stores::new(backend).await;
        let bytes = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let auth_secret = STANDARD.encode(&bytes);
        let log = File::create(stores.folder.path().join("log")).unwrap();
        let options = ["--argon2-memory-kib=128", "--rate-limit=off"];
        let mut environment = vec![
            // A log level named explicitly must not reveal secrets either.
            ("RUST_LOG", "trace,tungstenite::protocol=trace"),
            ("LOG_FORMAT", format),
            ("AUTH_SECRET", &auth_secret),
            ("DATABASE_URL", &stores.database_url),
        ];
        environment.extend(stores.redis_url.as_deref().map(|url| ("REDIS_URL", url)));
        let gateway = Process::start_logging(log, stores.folder.path(), &options, &environment);
        let mut secrets = vec![
            ("AUTH_SECRET".to_owned(), auth_secret.clone()),
            ("AUTH_SECRET in base64url".to_owned(), URL_SAFE_NO_PAD.encode(&bytes)),
            ("AUTH_SECRET in numbers".to_owned(), format!("{bytes:?}")),
        ];
        for url in [Some(&stores.database_url), stores.redis_url.as_ref()]
            .into_iter()
            .flatten()
        {
            let password = url::Url::parse(url).unwrap().password().map(str::to_owned);
            secrets.extend(password.map(|password| ("the password of a store".to_owned(), password)));
        }
        Self {
            gateway,
            stores,
            secrets,
        }
    }

    fn secret(&mut self, name: &str) -> String {
        let secret = format!("Secret{}", Uuid::new_v4().simple());
        self.secrets.push((name.to_owned(), secret.clone()));
        secret
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        http().request(method, format!("{}{path}", self.gateway.url))
    }

    /// Sends a request, and records the tokens in the answer as secrets.
    async fn tokens(&mut self, request: RequestBuilder) -> (String, String) {
        let (_, _, body) = raw(request).await;
        let find = |names: [&str; 2]| names.iter().find_map(|name| find(&body, name)).unwrap_or_default();
        let (access, refresh) = (
            find(["access_token", "accessToken"]),
            find(["refresh_token", "refreshToken"]),
        );
        assert!(access.len() > 100 && refresh.len() == 50, "{body}");
        let signature = access.rsplit('.').next().unwrap().to_owned();
        for (name, secret) in [
            ("an access token", access.clone()),
            ("the signature of an access token", signature),
            ("a refresh token", refresh.clone()),
            ("a part of a refresh token", refresh[28..].to_owned()),
        ] {
            self.secrets.push((name.to_owned(), secret));
        }
        (access, refresh)
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.stores.folder.path().join("log")).unwrap()).into_owned()
    }
}

/// The member with this name, at any depth.
fn find(value: &Value, name: &str) -> Option<String> {
    let members = value.as_object()?;
    let own = members.get(name).and_then(Value::as_str).map(str::to_owned);
    own.or_else(|| members.values().find_map(|member| find(member, name)))
}

/// Every operation of REST, and every kind of failure.
async fn everything_at_rest(talker: &mut Talker) {
    let (password, wrong, garbage) = (
        talker.secret("a password"),
        talker.secret("a wrong password"),
        talker.secret("garbage"),
    );
    let john = json!({"email": "john.doe@example.com", "password": password, "username": "johndoe"});
    let register = talker.request(Method::POST, "/auth/register").json(&john);
    let (access, refresh) = talker.tokens(register).await;
    let post = |path: &str, body: &Value| talker.request(Method::POST, path).json(body);
    let mut requests = vec![
        post("/auth/register", &john),
        post(
            "/auth/register",
            &json!({"email": garbage, "password": wrong, "username": "j"}),
        ),
        post("/auth/register", &json!({"password": [wrong]})),
        post("/auth/login", &json!({"username": "johndoe", "password": wrong})),
        post("/auth/login", &json!({"username": "unknown", "password": wrong})),
        post(
            "/auth/login",
            &json!({"username": "johndoe", "password": wrong, garbage.as_str(): garbage}),
        ),
        post("/auth/refresh", &json!({"refresh_token": garbage})),
        post("/auth/logout", &json!({"refresh_token": garbage, "scope": garbage})),
        talker
            .request(Method::POST, "/auth/login")
            .body(format!("password={wrong}")),
        talker
            .request(Method::POST, "/auth/login")
            .header("content-type", "application/json")
            .body(format!(r#"{{"password":"{wrong}"#)),
    ];
    for token in [&access, &refresh, &garbage, &format!("{access}x")] {
        requests.push(talker.request(Method::GET, "/auth/me").bearer_auth(token));
        requests.push(talker.request(Method::GET, "/auth/sessions").bearer_auth(token));
        requests.push(
            talker
                .request(Method::GET, "/auth/me")
                .basic_auth("johndoe", Some(&wrong)),
        );
        requests.push(talker.request(Method::GET, &format!("/auth/me?access_token={token}")));
        requests.push(
            talker
                .request(Method::GET, "/auth/me")
                .header("cookie", format!("token={token}")),
        );
    }
    for request in requests {
        assert!(raw(request).await.0.as_u16() < 500);
    }
    let chosen = talker.secret("a chosen password");
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        talker
            .request(Method::POST, "/auth/password")
            .bearer_auth(&access)
            .json(&body)
    };
    assert_eq!(raw(change(&wrong, &chosen)).await.2["code"], "INVALID_CREDENTIALS");
    assert_eq!(raw(change(&password, "johndoe1")).await.2["code"], "VALIDATION_FAILED");
    assert_eq!(raw(change(&password, &chosen)).await.0, 204);
    assert_eq!(raw(change(&chosen, &password)).await.0, 204);
    let login = talker.request(Method::POST, "/auth/login");
    let login = login.json(&json!({"email": "john.doe@example.com", "password": password}));
    talker.tokens(login).await;
    let body = json!({"refresh_token": refresh});
    let renewal = |talker: &Talker| talker.request(Method::POST, "/auth/refresh").json(&body);
    let (_, second) = talker.tokens(renewal(talker)).await;
    let again = talker
        .request(Method::POST, "/auth/refresh")
        .json(&json!({"refresh_token": second}));
    let (access, _) = talker.tokens(again).await;
    assert_eq!(raw(renewal(talker)).await.2["code"], "REFRESH_TOKEN_REUSED");
    let logout = talker.request(Method::POST, "/auth/logout").bearer_auth(access);
    assert_eq!(raw(logout.json(&json!({"scope": "all"}))).await.0, 204);
}

/// The same through GraphQL: in variables, in the document, in a URL and over a WebSocket.
async fn everything_at_graphql(talker: &mut Talker) {
    let (password, wrong, garbage) = (
        talker.secret("a password"),
        talker.secret("a wrong password"),
        talker.secret("garbage"),
    );
    let tokens = "{ token { accessToken refreshToken } }";
    let query = format!("mutation($input: RegisterInput!) {{ register(input: $input) {tokens} }}");
    let input = json!({"email": "jane.doe@example.com", "password": password, "username": "janedoe"});
    let body = json!({"query": query, "variables": {"input": input}});
    let register = talker.request(Method::POST, "/graphql").json(&body);
    let (access, refresh) = talker.tokens(register).await;
    let inline = format!(r#"mutation {{ login(input: {{username: "janedoe", password: "{password}"}}) {tokens} }}"#);
    let login = talker.request(Method::POST, "/graphql").json(&json!({"query": inline}));
    talker.tokens(login).await;
    let renew =
        |token: &str| json!({"query": format!(r#"mutation {{ refreshToken(refreshToken: "{token}") {tokens} }}"#)});
    let renewal = talker.request(Method::POST, "/graphql").json(&renew(&refresh));
    let (newest, second) = talker.tokens(renewal).await;
    let renewal = talker.request(Method::POST, "/graphql").json(&renew(&second));
    talker.tokens(renewal).await;
    for query in [
        format!(r#"mutation {{ changePassword(input: {{currentPassword: "{wrong}", newPassword: "{password}"}}) }}"#),
        format!(r#"mutation {{ changePassword(input: {{currentPassword: "{password}", newPassword: "{garbage}"}}) }}"#),
        format!(r#"mutation {{ changePassword(input: {{currentPassword: "{garbage}", newPassword: "{password}"}}) }}"#),
        renew(&refresh)["query"].as_str().unwrap().to_owned(),
        renew(&garbage)["query"].as_str().unwrap().to_owned(),
        format!(r#"mutation {{ login(input: {{username: "janedoe", password: "{wrong}"}}) {tokens} }}"#),
        format!(r#"mutation {{ login(input: {{username: "janedoe", password: "{wrong}""#),
        format!(r#"mutation {{ login(input: {{username: "janedoe", passwort: "{wrong}"}}) {tokens} }}"#),
        format!(r#"mutation {{ logout(refreshToken: "{newest}") }}"#),
        "{ me { uuid } sessions { id } }".to_owned(),
    ] {
        let request = talker.request(Method::POST, "/graphql").bearer_auth(&access);
        assert!(raw(request.json(&json!({"query": query}))).await.0.as_u16() < 500);
        let address: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let request = talker.request(Method::GET, &format!("/graphql?query={address}"));
        assert!(raw(request).await.0.as_u16() < 500);
    }
    let login = talker.request(Method::POST, "/graphql").json(&json!({"query": inline}));
    let (access, _) = talker.tokens(login).await;
    for token in [&access, &garbage] {
        let mut socket = Socket::bearing(&talker.gateway.url, token).await;
        socket.subscribe("1", "subscription { sessionEnded { reason } }").await;
        socket.subscribe("2", &format!("subscription {{ {garbage} }}")).await;
        socket.message().await;
    }
    let logout = json!({"query": "mutation { logout(scope: ALL) }"});
    assert_eq!(
        raw(talker
            .request(Method::POST, "/graphql")
            .bearer_auth(access)
            .json(&logout))
        .await
        .2["data"]["logout"],
        true
    );
}

async fn nothing_secret_is_logged(backend: Backend, format: &str) {
    let mut report = AttackReport::new("log");
    let mut talker = Talker::start(backend, format).await;
    everything_at_rest(&mut talker).await;
    everything_at_graphql(&mut talker).await;
    let stored = talker.stores.text("SELECT password_hash FROM accounts LIMIT 1").await;
    let hash = stored.rsplit('$').next().unwrap().to_owned();
    talker.secrets.push(("a password hash".to_owned(), hash));
    let log = talker.log();
    // Proves that the log is verbose: it has lines of the gateway and of its libraries.
    assert!(log.contains("registered") && log.contains("TRACE"), "{log:.2000}");
    for (name, secret) in &talker.secrets {
        report.tried(1);
        if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
            report.leaked(format!("{name} in: {}", line.chars().take(300).collect::<String>()));
        }
    }
    report.finish();
}

#[tokio::test]
async fn no_secret_is_logged_with_sqlite() {
    nothing_secret_is_logged(Backend::Sqlite, "text").await;
}

#[tokio::test]
async fn no_secret_is_logged_with_postgres_and_redis() {
    nothing_secret_is_logged(Backend::PostgresRedis, "json").await;
}
