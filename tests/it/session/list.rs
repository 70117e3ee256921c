//! The list of the caller's sessions, and the end of one of them.

use std::time::Duration;

use auth_gateway::domain::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{TestApp, scenario};

fn text<'a>(session: &'a Value, field: &str) -> &'a str {
    session[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field}: {session}"))
}

scenario! {
    async fn the_list_contains_the_live_sessions_of_the_account_only(app: &TestApp) {
        let opened_at = app.clock.now();
        let john = app.john().await;
        app.client().register_with("jane.doe@example.com", "Password@123", "janedoe").await.unwrap();
        let ended = app.login("john.doe@example.com", "Password@123").await.unwrap();
        app.client().logout(Some(&ended.access_token), None, None).await.unwrap();
        app.clock.advance(Duration::from_mins(5));
        let newest = app.login("john.doe@example.com", "Password@123").await.unwrap();
        let john = app.refresh(&john.refresh_token).await.unwrap();

        let sessions = app.client().sessions(&john.access_token).await.unwrap();
        assert_eq!(sessions.iter().map(|session| session["current"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
        let (other, own) = (&sessions[0], &sessions[1]);
        let shown = |millis: i64| chrono::DateTime::from_timestamp_millis(millis).unwrap();
        let read = |session: &Value, field: &str| chrono::DateTime::parse_from_rfc3339(text(session, field)).unwrap();
        let minutes = |count: i64| opened_at.millis() + count * 60_000;
        assert_eq!(read(own, "created_at"), shown(minutes(0)));
        assert_eq!(read(own, "last_used_at"), shown(minutes(5)));
        assert_eq!(read(own, "expires_at"), shown(minutes(5 + 30 * 24 * 60)));
        assert_eq!(read(other, "created_at"), shown(minutes(5)));
        assert_eq!(text(own, "ip"), "127.0.0.1");
        assert_eq!(own["user_agent"], json!(null), "this client sends no user agent");
        let seen_by_the_other = app.client().sessions(&newest.access_token).await.unwrap();
        assert_eq!(text(&seen_by_the_other[0], "id"), text(other, "id"));
        assert_eq!(seen_by_the_other[0]["current"], json!(true));
    }
}

scenario! {
    async fn ending_another_session_takes_effect_at_once(app: &TestApp) {
        let john = app.john().await;
        let lost = app.login("john.doe@example.com", "Password@123").await.unwrap();
        assert!(app.me(&lost.access_token).await.is_ok());
        let sessions = app.client().sessions(&john.access_token).await.unwrap();
        let id = text(&sessions[0], "id");
        for _ in 0..2 {
            app.client().end_session(&john.access_token, id).await.unwrap();
        }
        assert_eq!(app.me(&lost.access_token).await.unwrap_err().reason.as_deref(), Some("revoked"));
        assert_eq!(app.refresh(&lost.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
        assert_eq!(app.client().sessions(&john.access_token).await.unwrap().len(), 1);
    }
}

scenario! {
    async fn the_current_session_can_be_ended(app: &TestApp) {
        let john = app.john().await;
        let sessions = app.client().sessions(&john.access_token).await.unwrap();
        app.client().end_session(&john.access_token, text(&sessions[0], "id")).await.unwrap();
        assert_eq!(app.me(&john.access_token).await.unwrap_err().reason.as_deref(), Some("revoked"));
    }
}

scenario! {
    async fn a_session_of_another_account_is_not_found_and_continues(app: &TestApp) {
        let john = app.john().await;
        let jane = app.client().register_with("jane.doe@example.com", "Password@123", "janedoe").await.unwrap();
        let hers = app.client().sessions(&jane.access_token).await.unwrap();
        let unknown = uuid::Uuid::new_v4().to_string();
        for id in [text(&hers[0], "id"), &unknown, "nonsense", "%00", "00000000-0000-0000-0000-000000000000"] {
            let refusal = app.client().end_session(&john.access_token, id).await.unwrap_err();
            assert_eq!(refusal.code, "NOT_FOUND", "{id}");
        }
        assert!(app.me(&jane.access_token).await.is_ok());
    }
}

scenario! {
    async fn without_a_valid_token_no_session_is_listed_or_ended(app: &TestApp) {
        let john = app.john().await;
        let sessions = app.client().sessions(&john.access_token).await.unwrap();
        assert_eq!(app.client().sessions("nonsense").await.unwrap_err().code, "UNAUTHENTICATED");
        let refusal = app.client().end_session("nonsense", text(&sessions[0], "id")).await.unwrap_err();
        assert_eq!(refusal.code, "UNAUTHENTICATED");
        assert!(app.me(&john.access_token).await.is_ok());
    }
}
