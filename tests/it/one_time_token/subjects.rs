//! Tokens of one subject: replaced, found and revoked together.

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::one_time_token::TokenSubject;
use futures_util::future::join_all;

use crate::one_time_token::fixture::{Attempt, CHALLENGE, CODE, RIGHT_CODE, SECRET, on_each_store};

on_each_store! {
    async fn a_new_code_replaces_the_earlier_one(fixture: &TokenFixture) {
        let earlier = fixture.create(CODE).await;
        for _ in 0..4 {
            fixture.try_code(earlier.id, "000000").await;
        }
        let newer = fixture.create(CODE).await;
        assert_eq!(fixture.try_code(earlier.id, RIGHT_CODE).await, Attempt::Gone);
        assert_eq!(fixture.try_code(newer.id, "000000").await, Attempt::Wrong(4), "the tries begin anew");
        assert_eq!(fixture.try_code(newer.id, RIGHT_CODE).await, Attempt::Right);
        let after_use = fixture.create(CODE).await;
        assert_eq!(fixture.try_code(after_use.id, RIGHT_CODE).await, Attempt::Right);
    }

    async fn a_new_code_whose_creation_was_repeated_is_accepted(fixture: &TokenFixture) {
        let earlier = fixture.create(CODE).await;
        let token = fixture.create(CODE).await;
        fixture.tokens.create(&token).await.unwrap();
        let found = fixture.tokens.find_code(&fixture.subject, CODE, fixture.now()).await.unwrap();
        assert_eq!(found, Some(token.id));
        assert_eq!(fixture.try_code(earlier.id, RIGHT_CODE).await, Attempt::Gone);
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Right);
    }

    async fn of_parallel_new_codes_one_is_left(fixture: &TokenFixture) {
        let created = join_all((0..16).map(|_| fixture.create(CODE))).await;
        let mut right = 0;
        for token in created {
            right += u32::from(fixture.try_code(token.id, RIGHT_CODE).await == Attempt::Right);
        }
        assert_eq!(right, 1);
    }

    async fn a_new_link_leaves_the_earlier_one_alone(fixture: &TokenFixture) {
        let (earlier, newer) = (fixture.create(SECRET).await, fixture.create(SECRET).await);
        assert!(fixture.consume(earlier.digest, SECRET).await);
        assert!(fixture.consume(newer.digest, SECRET).await);
    }

    async fn a_new_code_leaves_other_subjects_and_purposes_alone(fixture: &TokenFixture) {
        let mut other = fixture.token(CODE);
        other.subject = Some(TokenSubject::account(AccountId::random()));
        fixture.tokens.create(&other).await.unwrap();
        let link = fixture.create(SECRET).await;
        fixture.create(CODE).await;
        assert_eq!(fixture.try_code(other.id, RIGHT_CODE).await, Attempt::Right);
        assert!(fixture.consume(link.digest, SECRET).await);
    }

    async fn a_code_is_found_by_its_subject(fixture: &TokenFixture) {
        let found = async || fixture.tokens.find_code(&fixture.subject, CODE, fixture.now()).await.unwrap();
        assert_eq!(found().await, None);
        fixture.create(SECRET).await;
        fixture.create(CODE).await;
        let newest = fixture.create(CODE).await;
        fixture.create(CHALLENGE).await;
        assert_eq!(found().await, Some(newest.id));
        let other = TokenSubject::account(AccountId::random());
        assert_eq!(fixture.tokens.find_code(&other, CODE, fixture.now()).await.unwrap(), None);
    }

    async fn all_tokens_of_a_subject_are_revoked_for_the_named_purposes(fixture: &TokenFixture) {
        let links = [fixture.create(SECRET).await, fixture.create(SECRET).await];
        let (challenge, code) = (fixture.create(CHALLENGE).await, fixture.create(CODE).await);
        let mut other = fixture.token(SECRET);
        other.subject = Some(TokenSubject::account(AccountId::random()));
        fixture.tokens.create(&other).await.unwrap();
        for _ in 0..2 {
            fixture.tokens.revoke_all(&fixture.subject, &[SECRET, CODE], fixture.now()).await.unwrap();
        }
        for link in links {
            assert!(!fixture.consume(link.digest, SECRET).await);
        }
        assert_eq!(fixture.try_code(code.id, RIGHT_CODE).await, Attempt::Gone);
        assert!(fixture.consume(challenge.digest, CHALLENGE).await);
        assert!(fixture.consume(other.digest, SECRET).await);
        let later = fixture.create(SECRET).await;
        fixture.tokens.revoke_all(&fixture.subject, &[SECRET], fixture.now()).await.unwrap();
        assert!(!fixture.consume(later.digest, SECRET).await);
    }
}
