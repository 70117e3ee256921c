//! Secrets: accepted once, for their purpose alone.

use std::time::Duration;

use auth_gateway::domain::one_time_token::{TokenForm, TokenPurpose};
use futures_util::future::join_all;

use crate::one_time_token::fixture::{CHALLENGE, SECRET, on_each_store};

on_each_store! {
    async fn a_secret_is_accepted_once(fixture: &TokenFixture) {
        let token = fixture.create(SECRET).await;
        assert!(fixture.consume(token.digest, SECRET).await);
        assert!(!fixture.consume(token.digest, SECRET).await);
        assert!(!fixture.peek(token.digest, SECRET).await);
    }

    async fn of_64_parallel_uses_exactly_one_succeeds(fixture: &TokenFixture) {
        for _ in 0..3 {
            let token = fixture.create(SECRET).await;
            let (tokens, now) = (&fixture.tokens, fixture.now());
            let uses = (0..64).map(|_| {
                let tokens = tokens.clone();
                tokio::spawn(async move { tokens.consume(token.digest, SECRET, now).await.unwrap().is_some() })
            });
            let accepted = join_all(uses).await.into_iter().filter(|used| *used.as_ref().unwrap()).count();
            assert_eq!(accepted, 1);
        }
    }

    async fn an_unknown_secret_is_not_accepted(fixture: &TokenFixture) {
        fixture.create(SECRET).await;
        let unknown = fixture.token(SECRET);
        assert!(!fixture.consume(unknown.digest, SECRET).await);
        assert!(!fixture.peek(unknown.digest, SECRET).await);
        assert_eq!(fixture.count_try(unknown.digest).await, None);
    }

    async fn a_secret_is_not_accepted_for_another_purpose(fixture: &TokenFixture) {
        let secrets = TokenPurpose::ALL.into_iter().filter(|purpose| purpose.rules().form == TokenForm::Secret);
        for purpose in secrets {
            let token = fixture.create(purpose).await;
            for other in TokenPurpose::ALL.into_iter().filter(|other| *other != purpose) {
                assert!(!fixture.consume(token.digest, other).await, "{purpose:?} as {other:?}");
                assert!(!fixture.peek(token.digest, other).await, "{purpose:?} as {other:?}");
            }
            assert!(fixture.consume(token.digest, purpose).await, "{purpose:?}");
        }
    }

    async fn reading_a_token_does_not_use_it_up(fixture: &TokenFixture) {
        let token = fixture.create(SECRET).await;
        for _ in 0..10 {
            assert!(fixture.peek(token.digest, SECRET).await);
        }
        assert!(fixture.consume(token.digest, SECRET).await);
    }

    async fn a_token_says_whom_it_is_about(fixture: &TokenFixture) {
        let own = fixture.create(SECRET).await;
        let mut anonymous = fixture.token(SECRET);
        anonymous.subject = None;
        fixture.tokens.create(&anonymous).await.unwrap();
        for token in [own, anonymous] {
            let consumed = fixture.tokens.consume(token.digest, SECRET, fixture.now()).await.unwrap().unwrap();
            assert_eq!((consumed.id, consumed.subject), (token.id, token.subject));
        }
    }

    async fn a_challenge_allows_five_tries_and_the_last_may_be_right(fixture: &TokenFixture) {
        let token = fixture.create(CHALLENGE).await;
        for tries_left in (0..5).rev() {
            assert!(fixture.peek(token.digest, CHALLENGE).await);
            assert_eq!(fixture.count_try(token.digest).await, Some(tries_left));
        }
        assert_eq!(fixture.count_try(token.digest).await, None);
        assert!(!fixture.peek(token.digest, CHALLENGE).await);
        assert!(fixture.consume(token.digest, CHALLENGE).await, "the fifth code was right");
        assert_eq!(fixture.count_try(token.digest).await, None);
    }

    async fn of_64_parallel_tries_of_a_challenge_five_are_allowed(fixture: &TokenFixture) {
        let token = fixture.create(CHALLENGE).await;
        let now = fixture.now();
        let tries = (0..64).map(|_| {
            let tokens = fixture.tokens.clone();
            tokio::spawn(async move { tokens.count_try(token.digest, CHALLENGE, now).await.unwrap() })
        });
        let counted = join_all(tries).await.into_iter().filter_map(Result::unwrap);
        let mut tries_left: Vec<u32> = counted.map(|counted| counted.tries_left).collect();
        tries_left.sort_unstable();
        assert_eq!(tries_left, [0, 1, 2, 3, 4]);
    }

    async fn a_try_does_not_lengthen_the_life_of_a_token(fixture: &TokenFixture) {
        let token = fixture.create(CHALLENGE).await;
        assert_eq!(fixture.count_try(token.digest).await, Some(4));
        fixture.clock.advance(Duration::from_mins(5));
        assert_eq!(fixture.count_try(token.digest).await, None);
        assert!(!fixture.consume(token.digest, CHALLENGE).await);
    }
}
