//! `logout`: this session, the others, or all.

use std::time::Duration;

use crate::harness::{SignedIn, World, scenario};

async fn is_signed_in(world: &World, session: &SignedIn) -> bool {
    let can_ask = world.me(&session.access_token).await;
    if let Err(refusal) = &can_ask {
        assert_eq!(
            (refusal.code.as_str(), refusal.reason.as_deref()),
            ("UNAUTHENTICATED", Some("revoked"))
        );
    }
    can_ask.is_ok()
}

async fn three_sessions(world: &World) -> (SignedIn, SignedIn, SignedIn) {
    let first = world.john().await;
    let second = world.login("john.doe@example.com", "Password@123").await.unwrap();
    let third = world.login("john.doe@example.com", "Password@123").await.unwrap();
    (first, second, third)
}

scenario! {
    async fn a_logout_takes_effect_at_once_and_for_this_session_alone(world: &World) {
        let (first, second, _) = three_sessions(world).await;
        assert!(is_signed_in(world, &first).await);
        world.client().logout(Some(&first.access_token), None, None).await.unwrap();
        assert!(!is_signed_in(world, &first).await);
        assert_eq!(world.refresh(&first.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
        assert!(is_signed_in(world, &second).await);
    }
}

scenario! {
    async fn a_refresh_token_logs_out_whatever_the_header_says(world: &World) {
        let (first, second, _) = three_sessions(world).await;
        world.client().logout(None, Some(&first.refresh_token), None).await.unwrap();
        assert!(!is_signed_in(world, &first).await);
        world.client().logout(Some("nonsense"), Some(&second.refresh_token), Some("current")).await.unwrap();
        assert!(!is_signed_in(world, &second).await);
    }
}

scenario! {
    async fn the_others_end_and_this_one_stays(world: &World) {
        let (first, second, third) = three_sessions(world).await;
        world.client().logout(Some(&second.access_token), None, Some("others")).await.unwrap();
        assert!(!is_signed_in(world, &first).await);
        assert!(is_signed_in(world, &second).await);
        assert!(!is_signed_in(world, &third).await);
        assert!(world.refresh(&second.refresh_token).await.is_ok());
    }
}

scenario! {
    async fn all_end_and_other_accounts_do_not(world: &World) {
        let (first, second, third) = three_sessions(world).await;
        let jane = world.client().register_with("jane.doe@example.com", "Password@123", "janedoe").await.unwrap();
        world.client().logout(None, Some(&third.refresh_token), Some("all")).await.unwrap();
        for session in [&first, &second, &third] {
            assert!(!is_signed_in(world, session).await);
        }
        assert!(is_signed_in(world, &jane).await);
    }
}

scenario! {
    async fn logging_out_twice_is_no_error(world: &World) {
        let (first, second, _) = three_sessions(world).await;
        for _ in 0..2 {
            world.client().logout(Some(&first.access_token), None, None).await.unwrap();
            world.client().logout(None, Some(&first.refresh_token), None).await.unwrap();
        }
        for scope in ["others", "all"] {
            world.client().logout(Some(&first.access_token), None, Some(scope)).await.unwrap();
        }
        assert!(is_signed_in(world, &second).await, "a session that is over no longer speaks for its siblings");
    }
}

scenario! {
    async fn an_expired_access_token_still_logs_out(world: &World) {
        let (first, _, _) = three_sessions(world).await;
        world.clock.advance(Duration::from_hours(1));
        world.client().logout(Some(&first.access_token), None, None).await.unwrap();
        assert_eq!(world.refresh(&first.refresh_token).await.unwrap_err().code, "REFRESH_TOKEN_INVALID");
    }
}

scenario! {
    async fn who_logs_out_must_show_a_token_of_ours(world: &World) {
        let john = world.john().await;
        let refusal = world.client().logout(None, None, None).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("missing")));
        let refusal = world.client().logout(Some("nonsense"), None, Some("all")).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some("invalid")));
        let refusal = world.client().logout(Some(&john.access_token), Some("nonsense"), None).await.unwrap_err();
        assert_eq!(refusal.code, "REFRESH_TOKEN_INVALID");
        assert!(is_signed_in(world, &john).await);
    }
}

scenario! {
    async fn a_stale_token_ends_its_own_session_but_reaches_no_other(world: &World) {
        let (first, second, _) = three_sessions(world).await;
        // Whoever remembers the session from here must not judge by it.
        assert!(is_signed_in(world, &first).await);
        world.refresh(&first.refresh_token).await.unwrap();
        world.clock.advance(Duration::from_secs(11));
        let refusal = world.client().logout(None, Some(&first.refresh_token), Some("all")).await.unwrap_err();
        assert_eq!(refusal.code, "REFRESH_TOKEN_REUSED");
        assert!(!is_signed_in(world, &first).await);
        assert!(is_signed_in(world, &second).await);
    }
}
