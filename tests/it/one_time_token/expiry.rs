//! Expiry, by the clock of the caller, and what is deleted afterwards.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::harness::Backend;
use crate::one_time_token::fixture::{
    Attempt, CHALLENGE, CODE, LIFETIME, RIGHT_CODE, SECRET, TokenFixture, on_each_store,
};

const MILLISECOND: Duration = Duration::from_millis(1);
/// A millisecond less than the lifetime.
const ALMOST: Duration = LIFETIME.saturating_sub(MILLISECOND);

on_each_store! {
    async fn a_token_is_accepted_until_it_expires(fixture: &TokenFixture) {
        let (used, late) = (fixture.create(SECRET).await, fixture.create(SECRET).await);
        let (challenge, code) = (fixture.create(CHALLENGE).await, fixture.create(CODE).await);
        fixture.clock.advance(ALMOST);
        assert!(fixture.peek(late.digest, SECRET).await);
        assert!(fixture.consume(used.digest, SECRET).await);
        assert_eq!(fixture.count_try(challenge.digest).await, Some(4));
        assert_eq!(fixture.try_code(code.id, "000000").await, Attempt::Wrong(4));
        fixture.clock.advance(MILLISECOND);
        assert!(!fixture.peek(late.digest, SECRET).await);
        assert!(!fixture.consume(late.digest, SECRET).await);
        assert_eq!(fixture.count_try(challenge.digest).await, None);
        assert_eq!(fixture.try_code(code.id, RIGHT_CODE).await, Attempt::Gone);
        assert_eq!(fixture.tokens.find_code(&fixture.subject, CODE, fixture.now()).await.unwrap(), None);
    }

    async fn a_token_never_outlives_the_bound_of_its_purpose(fixture: &TokenFixture) {
        let mut token = fixture.token(CODE);
        token.lifetime = Duration::from_hours(1000);
        fixture.tokens.create(&token).await.unwrap();
        fixture.clock.advance(Duration::from_mins(10));
        assert_eq!(fixture.try_code(token.id, RIGHT_CODE).await, Attempt::Gone);
    }

    async fn a_token_without_a_lifetime_is_never_accepted(fixture: &TokenFixture) {
        let mut token = fixture.token(SECRET);
        token.lifetime = Duration::ZERO;
        fixture.tokens.create(&token).await.unwrap();
        assert!(!fixture.consume(token.digest, SECRET).await);
    }
}

async fn tokens_that_are_over_are_deleted_and_no_others(backend: Backend) {
    let fixture = TokenFixture::new(backend).await;
    let (used, live) = (fixture.create(SECRET).await, fixture.create(SECRET).await);
    fixture.create(CHALLENGE).await;
    let mut longer = fixture.token(SECRET);
    longer.lifetime = LIFETIME * 2;
    fixture.tokens.create(&longer).await.unwrap();
    assert_eq!(fixture.tokens.sweep(fixture.now()).await.unwrap(), 0);
    assert!(fixture.consume(used.digest, SECRET).await);
    assert_eq!(fixture.tokens.sweep(fixture.now()).await.unwrap(), 1, "the used one");
    assert!(fixture.peek(live.digest, SECRET).await);
    fixture.clock.advance(LIFETIME);
    assert_eq!(
        fixture.tokens.sweep(fixture.now()).await.unwrap(),
        2,
        "the expired ones"
    );
    assert_eq!(fixture.stores.count("one_time_tokens").await, 1);
    assert!(fixture.consume(longer.digest, SECRET).await);
}

#[tokio::test]
async fn tokens_that_are_over_are_deleted_on_sqlite() {
    tokens_that_are_over_are_deleted_and_no_others(Backend::Sqlite).await;
}

#[tokio::test]
async fn tokens_that_are_over_are_deleted_on_postgres() {
    tokens_that_are_over_are_deleted_and_no_others(Backend::Postgres).await;
}

/// The transaction stands for a `revoke_all` that has locked one of the rows. A sweep that waited
/// for that row while it holds another could be a deadlock.
#[tokio::test]
async fn a_sweep_on_postgres_passes_over_rows_that_are_locked() {
    let fixture = TokenFixture::new(Backend::Postgres).await;
    let locked = fixture.create(SECRET).await;
    fixture.create(SECRET).await;
    fixture.clock.advance(LIFETIME);
    let transaction = fixture.stores.connect().await.begin().await.unwrap();
    let lock = format!("SELECT id FROM one_time_tokens WHERE id = '{}' FOR UPDATE", locked.id.0);
    transaction.execute_unprepared(&lock).await.unwrap();
    assert_eq!(fixture.tokens.sweep(fixture.now()).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(fixture.tokens.sweep(fixture.now()).await.unwrap(), 1);
}
