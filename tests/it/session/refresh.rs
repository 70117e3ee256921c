//! `refresh`: the next pair of tokens, and the treatment of old ones. The clock stands still unless
//! a test advances it.

use std::collections::HashSet;
use std::time::Duration;

use crate::harness::{TestApp, scenario};

const GRACE: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_hours(24);

scenario! {
    async fn each_refresh_returns_new_tokens(app: &TestApp) {
        let mut current = app.john().await;
        let mut seen = HashSet::new();
        for _ in 0..5 {
            assert!(seen.insert(current.refresh_token.clone()), "a refresh token was returned twice");
            app.clock.advance(GRACE * 2);
            let next = app.refresh(&current.refresh_token).await.unwrap();
            assert_eq!(next.user, current.user);
            assert_ne!(next.access_token, current.access_token);
            assert_eq!(app.me(&next.access_token).await.unwrap(), next.user);
            current = next;
        }
        assert_eq!(app.stores.rows().await, (1, 1));
    }
}

scenario! {
    async fn a_repeated_refresh_within_the_grace_period_returns_the_same_token(app: &TestApp) {
        let john = app.john().await;
        let lost = app.refresh(&john.refresh_token).await.unwrap();
        app.clock.advance(GRACE);
        let again = app.refresh(&john.refresh_token).await.unwrap();
        assert_eq!(again.refresh_token, lost.refresh_token);
        assert!(app.refresh(&again.refresh_token).await.is_ok());
    }
}

scenario! {
    async fn a_token_reused_after_the_grace_period_ends_its_session_only(app: &TestApp) {
        let john = app.john().await;
        let elsewhere = app.login("john.doe@example.com", "Password@123").await.unwrap();
        let next = app.refresh(&john.refresh_token).await.unwrap();
        app.clock.advance(GRACE + Duration::from_millis(1));
        assert_eq!(app.refresh(&john.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_REUSED");
        assert_eq!(app.refresh(&next.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
        assert_eq!(app.me(&next.access_token).await.unwrap_err().reason.as_deref(), Some("revoked"));
        assert!(app.me(&elsewhere.access_token).await.is_ok());
        assert!(app.refresh(&elsewhere.refresh_token).await.is_ok());
    }
}

scenario! {
    async fn a_token_older_than_the_predecessor_ends_the_session_at_once(app: &TestApp) {
        let first = app.john().await;
        let second = app.refresh(&first.refresh_token).await.unwrap();
        let third = app.refresh(&second.refresh_token).await.unwrap();
        assert_eq!(app.refresh(&first.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_REUSED");
        assert_eq!(app.refresh(&third.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
    }
}

scenario! {
    async fn an_unused_refresh_token_expires(app: &TestApp) {
        let john = app.john().await;
        app.clock.advance(Duration::from_millis(30 * 86_400_000 - 1));
        let next = app.refresh(&john.refresh_token).await.unwrap();
        app.clock.advance(DAY * 30);
        assert_eq!(app.refresh(&next.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
    }
}

scenario! {
    async fn a_session_ends_at_its_maximum_age_despite_refreshes(app: &TestApp) {
        let mut current = app.john().await;
        for _ in 0..4 {
            app.clock.advance(DAY * 20);
            current = app.refresh(&current.refresh_token).await.unwrap();
        }
        app.clock.advance(DAY * 10);
        assert_eq!(app.refresh(&current.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
    }
}

scenario! {
    async fn a_malformed_refresh_token_is_refused(app: &TestApp) {
        let john = app.john().await;
        let token = &john.refresh_token;
        let huge = "x".repeat(100_000);
        for forged in ["", "x", &token[1..], &format!("{token}A"), &token.to_lowercase(), &john.access_token, &huge] {
            let refusal = app.refresh(forged).await.unwrap_err();
            assert_eq!(refusal.code, "REFRESH_TOKEN_INVALID", "{forged:.60}");
        }
        assert!(app.refresh(token).await.is_ok());
    }
}

scenario! {
    async fn refresh_ignores_the_authorization_header(app: &TestApp) {
        let john = app.john().await;
        app.clock.advance(Duration::from_hours(1));
        let next = app.client().refresh_bearing(&john.refresh_token, Some(&john.access_token)).await.unwrap();
        assert!(app.client().refresh_bearing(&next.refresh_token, Some("nonsense")).await.is_ok());
    }
}

scenario! {
    async fn fifty_concurrent_refreshes_get_the_same_token(app: &TestApp) {
        let john = app.john().await;
        let tabs: Vec<_> = (0..50)
            .map(|_| {
                let (client, token) = (app.client(), john.refresh_token.clone());
                tokio::spawn(async move { client.refresh(&token).await })
            })
            .collect();
        let mut successors = HashSet::new();
        for tab in tabs {
            successors.insert(tab.await.unwrap().unwrap().refresh_token);
        }
        assert_eq!(successors.len(), 1);
        let successor = successors.into_iter().next().unwrap();
        assert!(app.refresh(&successor).await.is_ok(), "the successor can be refreshed");
    }
}
