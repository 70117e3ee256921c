//! `logout`: this session, the others, or all.

use std::time::Duration;

use crate::harness::{SignedIn, TestApp, scenario};

async fn is_signed_in(app: &TestApp, session: &SignedIn) -> bool {
    let can_ask = app.me(&session.access_token).await;
    if let Err(refusal) = &can_ask {
        assert_eq!(
            (refusal.code.as_str(), refusal.reason.as_deref()),
            ("UNAUTHENTICATED", Some("revoked"))
        );
    }
    can_ask.is_ok()
}

async fn three_sessions(app: &TestApp) -> (SignedIn, SignedIn, SignedIn) {
    let first = app.john().await;
    let second = app.login("john.doe@example.com", "Password@123").await.unwrap();
    let third = app.login("john.doe@example.com", "Password@123").await.unwrap();
    (first, second, third)
}

scenario! {
    async fn logout_ends_this_session_only_and_at_once(app: &TestApp) {
        let (first, second, _) = three_sessions(app).await;
        assert!(is_signed_in(app, &first).await);
        app.client().logout(Some(&first.access_token), None, None).await.unwrap();
        assert!(!is_signed_in(app, &first).await);
        assert_eq!(app.refresh(&first.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
        assert!(is_signed_in(app, &second).await);
    }
}

scenario! {
    async fn a_refresh_token_logs_out_despite_an_invalid_header(app: &TestApp) {
        let (first, second, _) = three_sessions(app).await;
        app.client().logout(None, Some(&first.refresh_token), None).await.unwrap();
        assert!(!is_signed_in(app, &first).await);
        app.client().logout(Some("nonsense"), Some(&second.refresh_token), Some("current")).await.unwrap();
        assert!(!is_signed_in(app, &second).await);
    }
}

scenario! {
    async fn logout_of_others_keeps_the_current_session(app: &TestApp) {
        let (first, second, third) = three_sessions(app).await;
        app.client().logout(Some(&second.access_token), None, Some("others")).await.unwrap();
        assert!(!is_signed_in(app, &first).await);
        assert!(is_signed_in(app, &second).await);
        assert!(!is_signed_in(app, &third).await);
        assert!(app.refresh(&second.refresh_token).await.is_ok());
    }
}

scenario! {
    async fn logout_of_all_ends_every_session_of_the_account_only(app: &TestApp) {
        let (first, second, third) = three_sessions(app).await;
        let jane = app.client().register_with("jane.doe@example.com", "Password@123", "janedoe").await.unwrap();
        app.client().logout(None, Some(&third.refresh_token), Some("all")).await.unwrap();
        for session in [&first, &second, &third] {
            assert!(!is_signed_in(app, session).await);
        }
        assert!(is_signed_in(app, &jane).await);
    }
}

scenario! {
    async fn a_repeated_logout_succeeds(app: &TestApp) {
        let (first, second, _) = three_sessions(app).await;
        for _ in 0..2 {
            app.client().logout(Some(&first.access_token), None, None).await.unwrap();
            app.client().logout(None, Some(&first.refresh_token), None).await.unwrap();
        }
        for scope in ["others", "all"] {
            app.client().logout(Some(&first.access_token), None, Some(scope)).await.unwrap();
        }
        assert!(is_signed_in(app, &second).await, "an ended session cannot end other sessions");
    }
}

scenario! {
    async fn an_expired_access_token_still_logs_out(app: &TestApp) {
        let (first, _, _) = three_sessions(app).await;
        app.clock.advance(Duration::from_hours(1));
        app.client().logout(Some(&first.access_token), None, None).await.unwrap();
        assert_eq!(app.refresh(&first.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
    }
}

scenario! {
    async fn logout_without_a_valid_token_is_refused(app: &TestApp) {
        let john = app.john().await;
        let refusal = app.client().logout(None, None, None).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("missing")));
        let refusal = app.client().logout(Some("nonsense"), None, Some("all")).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("invalid")));
        let refusal = app.client().logout(Some(&john.access_token), Some("nonsense"), None).await.unwrap_err();
        assert_eq!(refusal.code, "REFRESH_TOKEN_INVALID");
        assert!(is_signed_in(app, &john).await);
    }
}

scenario! {
    async fn logout_with_a_reused_token_ends_its_session_only(app: &TestApp) {
        let (first, second, _) = three_sessions(app).await;
        // Fills caches of the session, which must not decide the outcome.
        assert!(is_signed_in(app, &first).await);
        app.refresh(&first.refresh_token).await.unwrap();
        app.clock.advance(Duration::from_secs(11));
        let refusal = app.client().logout(None, Some(&first.refresh_token), Some("all")).await.unwrap_err();
        assert_eq!(refusal.code, "REFRESH_TOKEN_REUSED");
        assert!(!is_signed_in(app, &first).await);
        assert!(is_signed_in(app, &second).await);
    }
}
