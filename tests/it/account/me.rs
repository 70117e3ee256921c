//! `me`, and which access tokens it accepts.

use std::time::Duration;

use crate::harness::{TestApp, eventually, scenario};

scenario! {
    async fn me_without_a_token_is_refused(app: &TestApp) {
        app.john().await;
        let refusal = app.client().me_with(&[]).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("missing")));
    }
}

scenario! {
    async fn an_access_token_expires(app: &TestApp) {
        let john = app.john().await;
        app.clock.advance(Duration::from_secs(899));
        assert!(app.me(&john.access_token).await.is_ok());
        app.clock.advance(Duration::from_secs(1));
        let refusal = app.me(&john.access_token).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("expired")));
    }
}

scenario! {
    async fn authorization_headers_without_exactly_one_bearer_token_are_refused(app: &TestApp) {
        let john = app.john().await;
        let good = format!("Bearer {}", john.access_token);
        let huge = format!("Bearer {}", "x".repeat(100_000));
        let forged = format!("{good}x");
        let swapped = format!("Bearer {}", john.refresh_token);
        for headers in [
            vec![("authorization", "Bearer")],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "Basic am9objpkb2U=")],
            vec![("authorization", "nonsense")],
            vec![("authorization", john.access_token.as_str())],
            vec![("authorization", huge.as_str())],
            vec![("authorization", forged.as_str())],
            vec![("authorization", swapped.as_str())],
            vec![("authorization", good.as_str()), ("authorization", good.as_str())],
        ] {
            let refusal = app.client().me_with(&headers).await.unwrap_err();
            let got = (refusal.code.as_str(), refusal.reason.as_deref());
            assert_eq!(got, ("UNAUTHENTICATED", Some("invalid")), "{:.60}", headers[0].1);
        }
        assert!(app.client().me_with(&[("authorization", &good.replace("Bearer", "bearer"))]).await.is_ok());
    }
}

scenario! {
    async fn a_profile_change_made_by_sql_is_visible(app: &TestApp) {
        let john = app.john().await;
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
        app.stores.execute("UPDATE accounts SET profile_image_url = 'https://example.com/john.png'").await;
        let new_picture = async || app.me(&john.access_token).await.unwrap().profile_image_url.as_str().map(str::to_owned);
        assert_eq!(eventually("the picture has changed", new_picture).await, "https://example.com/john.png");
    }
}

scenario! {
    async fn tokens_of_a_deleted_account_are_refused(app: &TestApp) {
        let john = app.john().await;
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
        app.stores.execute("DELETE FROM accounts").await;
        // With Redis, the next maintenance run removes the account.
        let refused = async || app.me(&john.access_token).await.err();
        let refusal = eventually("the access token is refused", refused).await;
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("revoked")));
        assert_eq!(app.refresh(&john.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
    }
}

scenario! {
    /// Guards against cached answers: of another account, or from before a change.
    async fn me_never_returns_another_account_or_a_stale_profile(app: &TestApp) {
        let john = app.john().await;
        let jane = app.client().register_with("jane.doe@example.com", "Password@123", "janedoe").await.unwrap();
        for _ in 0..3 {
            assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
            assert_eq!(app.me(&jane.access_token).await.unwrap(), jane.user);
        }
        for picture in ["https://example.com/1.png", "https://example.com/2.png", "https://example.com/1.png"] {
            app.stores.execute(&format!("UPDATE accounts SET profile_image_url = '{picture}' WHERE username = 'janedoe'")).await;
            let is_new = async || (app.me(&jane.access_token).await.unwrap().profile_image_url == picture).then_some(());
            eventually("the picture has changed", is_new).await;
            for _ in 0..3 {
                assert_eq!(app.me(&jane.access_token).await.unwrap().profile_image_url, picture);
                assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
            }
        }
        app.client().logout(Some(&john.access_token), None, None).await.unwrap();
        for _ in 0..3 {
            let refusal = app.me(&john.access_token).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("revoked")));
            assert_eq!(app.me(&jane.access_token).await.unwrap().username, "janedoe");
        }
    }
}
