//! `login`: opens a session with a password.

use serde_json::json;

use crate::harness::{Api, Backend, TestApp, scenario};

scenario! {
    async fn an_email_or_a_username_signs_in_in_any_case(app: &TestApp) {
        let john = app.john().await;
        for input in [
            json!({"email": "john.doe@example.com", "password": "Password@123"}),
            json!({"email": " JOHN.DOE@example.com ", "password": "Password@123"}),
            json!({"username": "JohnDoe", "password": "Password@123"}),
            json!({"username": "johndoe", "email": null, "password": "Password@123"}),
        ] {
            let signed_in = app.client().login(&input).await.unwrap();
            assert_eq!(signed_in.user, john.user);
            assert_ne!(signed_in.refresh_token, john.refresh_token);
            assert_eq!(app.me(&signed_in.access_token).await.unwrap(), john.user);
        }
        assert_eq!(app.stores.rows().await, (1, 5));
    }
}

scenario! {
    async fn a_wrong_password_and_an_unknown_account_get_the_same_answer(app: &TestApp) {
        app.john().await;
        let wrong = app.login("john.doe@example.com", "password@123").await.unwrap_err();
        let unknown = app.login("jane.doe@example.com", "Password@123").await.unwrap_err();
        assert_eq!(wrong.code, "INVALID_CREDENTIALS");
        assert_eq!(wrong, unknown);
        let by_name = app.client().login(&json!({"username": "unknown", "password": "Password@123"})).await.unwrap_err();
        assert_eq!(by_name, wrong);
        assert_eq!(app.stores.rows().await, (1, 1));
    }
}

scenario! {
    async fn an_account_without_a_password_is_refused_like_a_wrong_password(app: &TestApp) {
        let john = app.john().await;
        let wrong = app.login("john.doe@example.com", "password@123").await.unwrap_err();
        app.stores.execute("UPDATE accounts SET password_hash = NULL").await;
        let without = app.login("john.doe@example.com", "Password@123").await.unwrap_err();
        assert_eq!(without, wrong);
        assert!(app.me(&john.access_token).await.is_ok(), "its sessions continue");
    }
}

scenario! {
    async fn invalid_login_input_is_named(app: &TestApp) {
        app.john().await;
        for (input, field) in [
            (json!({"email": "john", "password": "Password@123"}), "email"),
            (json!({"username": "<b>", "password": "Password@123"}), "username"),
            (json!({"password": "Password@123"}), "email"),
            (json!({"email": "john.doe@example.com", "username": "johndoe", "password": "Password@123"}), "username"),
            (json!({"email": "john.doe@example.com", "password": ""}), "password"),
            (json!({"email": "john.doe@example.com", "password": "x".repeat(257)}), "password"),
        ] {
            let refusal = app.client().login(&input).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.fields), ("VALIDATION_FAILED", vec![field.to_owned()]), "{input}");
        }
    }
}

#[tokio::test]
async fn a_login_rehashes_the_password_at_the_current_cost() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let john = app.john().await;
    let stored = || app.stores.text("SELECT password_hash FROM accounts");
    assert!(stored().await.starts_with("$argon2id$v=19$m=128,t=1,p=1$"));
    let stronger = app.second_node(&["--argon2-memory-kib=256"]).await;
    let login = json!({"email": "john.doe@example.com", "password": "Password@123"});
    assert_eq!(stronger.login(&login).await.unwrap().user, john.user);
    let rehashed = stored().await;
    assert!(rehashed.starts_with("$argon2id$v=19$m=256,t=1,p=1$"), "{rehashed}");
    assert!(stronger.login(&login).await.is_ok());
    assert_eq!(stored().await, rehashed, "a hash of the current cost is not replaced");
}

#[tokio::test]
async fn a_full_queue_sheds_logins_and_recovers() {
    let options = ["--argon2-memory-kib=65536", "--argon2-iterations=4", "--hash-queue=1"];
    let app = TestApp::with(Backend::Sqlite, Api::Rest, &options).await;
    app.john().await;
    let attempts: Vec<_> = (0..12)
        .map(|_| {
            let client = app.client();
            tokio::spawn(async move {
                client
                    .login(&json!({"email": "john.doe@example.com", "password": "Password@123"}))
                    .await
            })
        })
        .collect();
    let (mut served, mut shed) = (0, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => served += 1,
            Err(refusal) => {
                assert_eq!(refusal.code, "UNAVAILABLE");
                shed += 1;
            }
        }
    }
    assert!(
        served >= 1 && shed >= 1 && served + shed == 12,
        "{served} served, {shed} shed"
    );
    assert!(app.login("john.doe@example.com", "Password@123").await.is_ok());
}
