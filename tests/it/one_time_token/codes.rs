//! Codes: five tries, however many come at once.

use auth_gateway::domain::one_time_token::{CodeAttempt, TokenId, TokenPurpose};
use futures_util::future::join_all;

use crate::one_time_token::fixture::{Attempt, CODE, RIGHT_CODE, TokenFixture, on_each_store};

on_each_store! {
    async fn a_right_code_is_accepted_once(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        assert_eq!(fixture.try_code(token.id, "000000").await, Attempt::Wrong(4));
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Right);
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Gone);
    }

    async fn five_wrong_codes_end_a_token(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        for tries_left in (0..5).rev() {
            assert_eq!(fixture.try_code(token.id, "000000").await, Attempt::Wrong(tries_left));
        }
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Gone);
    }

    async fn the_fifth_code_may_be_right(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        for _ in 0..4 {
            fixture.try_code(token.id, "000000").await;
        }
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Right);
    }

    async fn of_64_parallel_wrong_codes_five_are_compared(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        let attempts = try_in_parallel(fixture, token.id, &["000000"; 64]).await;
        let mut tries_left: Vec<Attempt> = attempts.into_iter().filter(|attempt| *attempt != Attempt::Gone).collect();
        tries_left.sort_unstable_by_key(|attempt| format!("{attempt:?}"));
        assert_eq!(tries_left, [0, 1, 2, 3, 4].map(Attempt::Wrong));
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Gone);
    }

    async fn of_64_parallel_right_codes_exactly_one_is_accepted(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        let attempts = try_in_parallel(fixture, token.id, &[RIGHT_CODE; 64]).await;
        let count = |expected| attempts.iter().filter(|attempt| **attempt == expected).count();
        assert_eq!((count(Attempt::Right), count(Attempt::Gone)), (1, 63));
    }

    async fn a_code_that_was_stored_under_an_older_secret_is_accepted(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        let newer = auth_gateway::security::OneTimeTokens::new(&[8, 7].map(|byte| {
            auth_gateway::domain::secret::SecretBytes::new(vec![byte; 32])
        })).unwrap();
        let digests = newer.code_digests(CODE, token.id, RIGHT_CODE);
        let attempt = fixture.tokens.try_code(token.id, CODE, &digests, fixture.now()).await.unwrap();
        assert!(matches!(attempt, CodeAttempt::Right(_)), "{attempt:?}");
    }

    async fn a_code_is_not_accepted_for_another_purpose_or_token(fixture: &TokenFixture) {
        let token = fixture.create(CODE).await;
        let digests = fixture.secrets.code_digests(CODE, token.id, RIGHT_CODE);
        for (id, purpose) in [(token.id, TokenPurpose::LoginChallenge), (TokenId::random(), CODE)] {
            let attempt = fixture.tokens.try_code(id, purpose, &digests, fixture.now()).await.unwrap();
            assert!(matches!(attempt, CodeAttempt::Gone), "{attempt:?}");
        }
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Right);
    }
}

async fn try_in_parallel(fixture: &TokenFixture, id: TokenId, codes: &[&str]) -> Vec<Attempt> {
    let now = fixture.now();
    let attempts = codes.iter().map(|code| {
        let (tokens, digests) = (fixture.tokens.clone(), fixture.secrets.code_digests(CODE, id, code));
        tokio::spawn(async move {
            match tokens.try_code(id, CODE, &digests, now).await.unwrap() {
                CodeAttempt::Right(_) => Attempt::Right,
                CodeAttempt::Wrong { tries_left } => Attempt::Wrong(tries_left),
                CodeAttempt::Gone => Attempt::Gone,
            }
        })
    });
    join_all(attempts).await.into_iter().map(Result::unwrap).collect()
}
