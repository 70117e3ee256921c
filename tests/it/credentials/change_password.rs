//! `changePassword`: replaces the password and ends all other sessions.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Api, Backend, SignedIn, Socket, State, TestApp, code, eventually, http, raw, scenario};

const EMAIL: &str = "john.doe@example.com";
const OLD: &str = "Password@123";
const NEW: &str = "three small tea pots";

/// The name of the field in the app's API.
fn field(app: &TestApp, rest: &str, graphql: &str) -> String {
    match app.api {
        Api::Rest => rest.to_owned(),
        Api::Graphql => graphql.to_owned(),
    }
}

fn new_password(app: &TestApp) -> String {
    field(app, "new_password", "newPassword")
}

async fn is_revoked(app: &TestApp, session: &SignedIn) -> bool {
    let me = app.me(&session.access_token).await;
    me.is_err_and(|refusal| refusal.reason.as_deref() == Some("revoked"))
}

scenario! {
    async fn after_a_change_only_the_new_password_signs_in(app: &TestApp) {
        let john = app.john().await;
        app.client().change_password(&john.access_token, OLD, NEW).await.unwrap();
        assert_eq!(code(app.login(EMAIL, OLD).await), "INVALID_CREDENTIALS");
        assert_eq!(app.login(EMAIL, NEW).await.unwrap().user, john.user);
        assert_eq!(code(app.client().change_password(&john.access_token, OLD, "another tea pot").await), "INVALID_CREDENTIALS");
        app.client().change_password(&john.access_token, NEW, OLD).await.unwrap();
        assert_eq!(code(app.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn a_change_ends_all_other_sessions_of_the_account(app: &TestApp) {
        let (first, second, third) = (app.john().await, app.login(EMAIL, OLD).await.unwrap(), app.login(EMAIL, OLD).await.unwrap());
        let jane = app.client().register_with("jane.doe@example.com", OLD, "janedoe").await.unwrap();
        for session in [&first, &second, &third] {
            assert!(app.me(&session.access_token).await.is_ok());
        }
        let second = app.refresh(&second.refresh_token).await.unwrap();
        app.client().change_password(&second.access_token, OLD, NEW).await.unwrap();
        for session in [&first, &third] {
            assert!(is_revoked(app, session).await);
            assert_eq!(code(app.refresh(&session.refresh_token).await), "REFRESH_TOKEN_INVALID");
        }
        assert_eq!(app.client().sessions(&second.access_token).await.unwrap().len(), 1);
        assert_eq!(app.refresh(&second.refresh_token).await.unwrap().user, first.user);
        assert!(app.me(&jane.access_token).await.is_ok(), "sessions of other accounts continue");
    }
}

scenario! {
    async fn a_wrong_current_password_changes_nothing(app: &TestApp) {
        let (john, elsewhere) = (app.john().await, app.login(EMAIL, OLD).await.unwrap());
        for wrong in ["password@123", "Password@12", " Password@123", NEW] {
            let refusal = app.client().change_password(&john.access_token, wrong, "another tea pot").await.unwrap_err();
            assert_eq!(refusal.code, "INVALID_CREDENTIALS", "{wrong}");
        }
        assert!(!is_revoked(app, &john).await && !is_revoked(app, &elsewhere).await);
        assert_eq!(code(app.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn a_new_password_follows_the_rules_of_registration(app: &TestApp) {
        let john = app.john().await;
        for (new, rule) in [
            ("", "must not be empty"),
            ("7 chars", "at least 8 characters"),
            (&"x".repeat(257), "at most 256 characters"),
            ("tab\tseparated", "control characters"),
            ("        ", "blank"),
            ("QwertyUiop", "most common"),
            ("JohnDoe!1987", "e-mail"),
            ("john.doe@example.com", "e-mail"),
            ("auth-gateway", "name of this service"),
            ("Localhost8000", "name of this service"),
            (OLD, "another than the current one"),
        ] {
            let refusal = app.client().change_password(&john.access_token, OLD, new).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.fields), ("VALIDATION_FAILED", vec![new_password(app)]), "{new}");
            assert!(refusal.message.contains(rule), "{new}: {}", refusal.message);
        }
        let refusal = app.client().change_password(&john.access_token, "", "short").await.unwrap_err();
        assert_eq!(refusal.fields, [field(app, "current_password", "currentPassword"), new_password(app)]);
        assert_eq!(code(app.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn the_current_password_matches_composed_and_decomposed(app: &TestApp) {
        let eva = app.client().register_with("eva@example.com", "caf\u{e9} au lait", "evamaria").await.unwrap();
        let client = app.client();
        let refusal = client.change_password(&eva.access_token, "caf\u{e9} au lait", "cafe\u{301} au lait").await.unwrap_err();
        assert_eq!(refusal.fields, [new_password(app)]);
        client.change_password(&eva.access_token, "cafe\u{301} au lait", NEW).await.unwrap();
        assert_eq!(code(app.login("eva@example.com", NEW).await), "ok");
    }
}

scenario! {
    async fn a_change_needs_a_valid_access_token(app: &TestApp) {
        let (john, over) = (app.john().await, app.login(EMAIL, OLD).await.unwrap());
        app.client().logout(Some(&over.access_token), None, None).await.unwrap();
        for (token, reason) in [("nonsense", "invalid"), (&john.refresh_token, "invalid"), (&over.access_token, "revoked")] {
            let refusal = app.client().change_password(token, OLD, NEW).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some(reason)));
        }
        app.clock.advance(Duration::from_mins(15));
        let refusal = app.client().change_password(&john.access_token, OLD, NEW).await.unwrap_err();
        assert_eq!(refusal.reason.as_deref(), Some("expired"));
        assert_eq!(code(app.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn one_of_many_concurrent_changes_succeeds_and_the_others_are_refused(app: &TestApp) {
        app.john().await;
        let sessions = join_all((0..6).map(|_| app.login(EMAIL, OLD))).await;
        let changes = sessions.iter().enumerate().map(|(number, session)| async move {
            let token = &session.as_ref().unwrap().access_token;
            code(app.client().change_password(token, OLD, &format!("tea pot number {number}")).await)
        });
        let codes = join_all(changes).await;
        let won: Vec<usize> = (0..6).filter(|number| codes[*number] == "ok").collect();
        assert_eq!(won.len(), 1, "{codes:?}");
        let told = ["INVALID_CREDENTIALS", "UNAUTHENTICATED"];
        assert_eq!(codes.iter().filter(|code| told.contains(&code.as_str())).count(), 5, "{codes:?}");
        let mut alive = Vec::new();
        for (number, session) in sessions.iter().enumerate() {
            if !is_revoked(app, session.as_ref().unwrap()).await {
                alive.push(number);
            }
        }
        assert_eq!(alive, won);
        assert_eq!(code(app.login(EMAIL, &format!("tea pot number {}", won[0])).await), "ok");
    }
}

scenario! {
    async fn no_session_opened_with_the_old_password_survives_a_change(app: &TestApp) {
        let john = app.john().await;
        let logins = join_all((0..12).map(|_| app.login(EMAIL, OLD)));
        let client = app.client();
        let change = client.change_password(&john.access_token, OLD, NEW);
        let (logins, changed) = tokio::join!(logins, change);
        changed.unwrap();
        for login in logins {
            match login {
                Ok(session) => assert!(is_revoked(app, &session).await),
                Err(refusal) => assert_eq!(refusal.code, "INVALID_CREDENTIALS"),
            }
        }
        assert_eq!(app.client().sessions(&john.access_token).await.unwrap().len(), 1);
    }
}

/// A stolen access token gives no more guesses of the password than the login does: both use one
/// limit.
#[tokio::test]
async fn guesses_use_the_login_limits_before_hashing_on_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        for api in [Api::Rest, Api::Graphql] {
            let app = TestApp::limited(backend, api, &[]).await;
            let john = app.john().await;
            for _ in 0..5 {
                let guess = app.client().change_password(&john.access_token, "a guess", NEW).await;
                assert_eq!(code(guess), "INVALID_CREDENTIALS");
                assert_eq!(code(app.login(EMAIL, "a guess").await), "INVALID_CREDENTIALS");
            }
            let right = app.client().change_password(&john.access_token, OLD, NEW).await;
            assert_eq!(code(right), "RATE_LIMITED", "{backend:?} {api:?}");
            app.clock.advance(Duration::from_secs(15));
            app.client()
                .change_password(&john.access_token, OLD, NEW)
                .await
                .unwrap();
        }
    }
}

/// Forty failures exhaust the limit. A successful change resets it.
#[tokio::test]
async fn a_successful_change_resets_the_limit_of_failures() {
    let app = TestApp::limited(Backend::Sqlite, Api::Rest, &["--access-token-ttl=1d"]).await;
    let john = app.john().await;
    let guess = async |times: u32| {
        for _ in 0..times {
            app.clock.advance(Duration::from_secs(15));
            let guess = app
                .client()
                .change_password(&john.access_token, "a guess", "another guess")
                .await;
            assert_eq!(code(guess), "INVALID_CREDENTIALS");
        }
    };
    guess(39).await;
    app.client()
        .change_password(&john.access_token, OLD, NEW)
        .await
        .unwrap();
    guess(40).await;
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(
        code(app.client().change_password(&john.access_token, NEW, OLD).await),
        "RATE_LIMITED"
    );
}

#[tokio::test]
async fn failed_logins_of_others_do_not_block_a_change_with_postgres_and_redis() {
    let app = TestApp::limited(Backend::PostgresRedis, Api::Rest, &["--trusted-proxies=127.0.0.0/8"]).await;
    let post = async |path: &str, address: &str, token: Option<&str>, body: Value| {
        let mut request = http()
            .post(app.url(path))
            .header("x-forwarded-for", address)
            .json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        raw(request).await
    };
    let john = json!({"email": EMAIL, "password": OLD, "username": "johndoe"});
    let (_, _, john) = post("/auth/register", "203.0.113.1", None, john).await;
    let token = john["token"]["access_token"].as_str();
    for number in 0..12 {
        let login = json!({"email": EMAIL, "password": "a guess"});
        post("/auth/login", &format!("198.51.100.{number}"), None, login).await;
    }
    let change = json!({"current_password": OLD, "new_password": NEW});
    let (elsewhere, _, _) = post("/auth/password", "198.51.100.99", token, change.clone()).await;
    assert_eq!(
        elsewhere,
        StatusCode::TOO_MANY_REQUESTS,
        "a stolen token used from an unknown network"
    );
    assert_eq!(
        post("/auth/password", "203.0.113.1", token, change).await.0,
        StatusCode::NO_CONTENT
    );
}

scenario! {
    async fn changes_and_failed_changes_are_in_the_audit_log(app: &TestApp) {
        let john = app.john().await;
        app.client().change_password(&john.access_token, "a guess at it", NEW).await.unwrap_err();
        app.client().change_password(&john.access_token, OLD, NEW).await.unwrap();
        let written = async || (app.stores.count("audit_events").await == 4).then_some(());
        eventually("the events are written", written).await;
        let rows = app.stores.audit().await;
        let sessions = app.client().sessions(&john.access_token).await.unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row["event"].as_str()).collect();
        assert_eq!(names, ["signing_key_published", "registered", "password_change_failed", "password_changed"]);
        for row in &rows[2..] {
            assert_eq!((row["account_id"].as_str(), Some(row["session_id"].as_str())), (john.user.uuid.as_str(), sessions[0]["id"].as_str()));
            assert_eq!(row["address"], "127.0.0.1");
        }
        let all = format!("{rows:?}");
        assert!(!["a guess at it", OLD, NEW].iter().any(|secret| all.contains(secret)), "{all}");
    }
}

/// The other node refuses the ended sessions and notifies their subscribers.
#[tokio::test]
async fn a_change_takes_effect_on_every_node_with_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        let app = TestApp::new(backend, Api::Rest).await;
        let other = app.second_node(&[]).await;
        let (john, elsewhere) = (app.john().await, app.login(EMAIL, OLD).await.unwrap());
        assert!(other.me(&elsewhere.access_token).await.is_ok());
        let mut socket = Socket::bearing(&format!("http://{}", other.address), &elsewhere.access_token).await;
        socket.subscribe("1", "subscription { sessionEnded { reason } }").await;
        app.client()
            .change_password(&john.access_token, OLD, NEW)
            .await
            .unwrap();
        let refusal = other.me(&elsewhere.access_token).await.unwrap_err();
        assert_eq!(refusal.reason.as_deref(), Some("revoked"), "{backend:?}");
        let event = socket.message().await;
        assert_eq!(
            event["payload"]["data"]["sessionEnded"]["reason"], "PASSWORD_CHANGED",
            "{event}"
        );
        assert!(other.me(&john.access_token).await.is_ok());
    }
}

#[tokio::test]
async fn a_change_without_postgres_or_redis_has_no_partial_effect() {
    let (app, database, redis) = TestApp::with_proxies().await;
    let (john, elsewhere) = (app.john().await, app.login(EMAIL, OLD).await.unwrap());
    for proxy in [&redis, &database] {
        for state in [State::Cut, State::Hung] {
            proxy.set(state);
            let change = app.client().change_password(&john.access_token, OLD, NEW).await;
            assert_eq!(code(change), "UNAVAILABLE", "{state:?}");
            proxy.set(State::Open);
            app.until_ready().await;
            assert!(app.me(&elsewhere.access_token).await.is_ok(), "{state:?}");
        }
    }
    app.client()
        .change_password(&john.access_token, OLD, NEW)
        .await
        .unwrap();
    assert!(is_revoked(&app, &elsewhere).await);
}

#[tokio::test]
async fn a_malformed_body_is_refused_and_the_field_is_named() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let john = app.john().await;
    for (body, field) in [
        (json!({"current_password": OLD}), "new_password"),
        (json!({"new_password": NEW}), "current_password"),
        (json!({"current_password": OLD, "new_password": 7}), "new_password"),
        (
            json!({"current_password": OLD, "new_password": NEW, "username": "johndoe"}),
            "username",
        ),
    ] {
        let request = http().post(app.url("/auth/password")).bearer_auth(&john.access_token);
        let (status, _, problem) = raw(request.json(&body)).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (400, &json!("BAD_REQUEST")),
            "{body}"
        );
        assert_eq!(problem["fields"][0]["field"], field, "{problem}");
    }
    assert!(app.login(EMAIL, OLD).await.is_ok());
}
