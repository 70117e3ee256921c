//! `register`: a new account and its first session.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Api, Backend, TestApp, scenario};

scenario! {
    async fn the_documented_example_registers_and_signs_in(app: &TestApp) {
        let john = app.john().await;
        assert_eq!(john.user.email, "john.doe@example.com");
        assert_eq!(john.user.username, "johndoe");
        assert_eq!(john.user.profile_image_url, json!(null));
        assert_eq!(john.expires_in, 900);
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
        assert_eq!(app.stores.rows().await, (1, 1));
    }
}

scenario! {
    async fn emails_are_unique_in_any_case_and_keep_their_case(app: &TestApp) {
        let first = app.client().register_with("John.Doe@Example.com", "Password@123", "johndoe").await.unwrap();
        assert_eq!(first.user.email, "John.Doe@Example.com");
        let refusal = app.client().register_with("JOHN.doe@example.COM", "Password@123", "other").await.unwrap_err();
        assert_eq!(refusal.code, "EMAIL_TAKEN");
        assert_eq!(app.stores.rows().await, (1, 1));
    }
}

scenario! {
    async fn usernames_are_unique_in_any_case(app: &TestApp) {
        app.john().await;
        let refusal = app.client().register_with("other@example.com", "Password@123", "JohnDoe").await.unwrap_err();
        assert_eq!(refusal.code, "USERNAME_TAKEN");
        assert_eq!(app.stores.rows().await, (1, 1));
    }
}

scenario! {
    async fn if_email_and_username_are_taken_the_error_is_email_taken(app: &TestApp) {
        app.john().await;
        let refusal = app.client().register_with("john.doe@example.com", "Password@123", "johndoe").await.unwrap_err();
        assert_eq!(refusal.code, "EMAIL_TAKEN");
    }
}

scenario! {
    async fn one_of_many_concurrent_registrations_of_an_email_succeeds(app: &TestApp) {
        let attempts: Vec<_> = (0..12)
            .map(|number| {
                let client = app.client();
                tokio::spawn(async move {
                    client.register_with("john.doe@example.com", "Password@123", &format!("john{number}")).await
                })
            })
            .collect();
        let mut codes = Vec::new();
        for attempt in attempts {
            codes.push(attempt.await.unwrap().map_or_else(|refusal| refusal.code, |_| "registered".to_owned()));
        }
        codes.sort();
        let mut expected = vec!["EMAIL_TAKEN".to_owned(); 11];
        expected.push("registered".to_owned());
        assert_eq!(codes, expected);
        assert_eq!(app.stores.rows().await, (1, 1));
    }
}

scenario! {
    async fn all_invalid_fields_are_reported_together(app: &TestApp) {
        let refusal = app.client().register_with("john", "short", "<b>john</b>").await.unwrap_err();
        assert_eq!(refusal.code, "VALIDATION_FAILED");
        assert_eq!(refusal.fields, ["email", "password", "username"]);
        assert_eq!(app.stores.rows().await, (0, 0));
    }
}

scenario! {
    async fn common_and_contextual_passwords_are_refused_with_the_reason(app: &TestApp) {
        for (password, reason) in [
            ("trustno1", "most common"),
            ("Liverpool1", "most common"),
            ("Jane.Doe1987", "e-mail"),
            ("jane.doe@example.com", "e-mail"),
            ("calamity_1", "username"),
            ("AuthGateway!", "name of this service"),
        ] {
            let refusal = app.client().register_with("jane.doe@example.com", password, "Calamity").await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.fields), ("VALIDATION_FAILED", vec!["password".to_owned()]), "{password}");
            assert!(refusal.message.contains(reason), "{password}: {}", refusal.message);
        }
        assert_eq!(app.stores.rows().await, (0, 0));
    }
}

#[tokio::test]
async fn configured_context_words_are_refused_as_passwords() {
    let options = [
        "--password-context-words=Acme Tools,Road Runner",
        "--public-url=https://login.coyote.example",
    ];
    let app = TestApp::with(Backend::Sqlite, Api::Rest, &options).await;
    let register = async |password: &str| app.client().register_with("jane@example.com", password, "jane").await;
    for password in ["acme-tools-1", "RoadRunner!", "coyote 2026", "login.coyote.example"] {
        assert_eq!(register(password).await.unwrap_err().fields, ["password"], "{password}");
    }
    assert!(register("a road runner is a bird").await.is_ok());
}

scenario! {
    async fn a_unicode_password_matches_composed_and_decomposed(app: &TestApp) {
        app.client().register_with("eva@example.com", "  caf\u{e9} \u{1f512} au lait  ", "eva").await.unwrap();
        assert!(app.login("eva@example.com", "  cafe\u{301} \u{1f512} au lait  ").await.is_ok());
        assert_eq!(app.login("eva@example.com", "caf\u{e9} \u{1f512} au lait").await.unwrap_err().code, "INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn the_stored_password_is_argon2id_at_the_default_cost() {
    let options = [
        "--argon2-memory-kib=19456",
        "--argon2-iterations=2",
        "--argon2-parallelism=1",
    ];
    let app = TestApp::with(Backend::Sqlite, Api::Rest, &options).await;
    app.john().await;
    let hash = app.stores.text("SELECT password_hash FROM accounts").await;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
}

#[tokio::test]
async fn a_session_records_the_user_agent_and_the_address() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let body = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    let agent = "a".repeat(600);
    let request = crate::harness::http()
        .post(app.url("/auth/register"))
        .header("user-agent", &agent)
        .json(&body);
    let (status, _, _) = crate::harness::raw(request.timeout(Duration::from_secs(30))).await;
    assert_eq!(status, 201);
    assert_eq!(
        app.stores.text("SELECT user_agent FROM sessions").await,
        "a".repeat(512)
    );
    assert_eq!(app.stores.text("SELECT ip FROM sessions").await, "127.0.0.1");
}
