//! The copies of accounts in Redis: trusted only if the gateway wrote them, and as current as SQL.

use std::time::Duration;

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::rate_limit::Limit;
use auth_gateway::domain::refresh_token::Rotation;
use auth_gateway::domain::session::Generation;

use crate::harness::Backend;
use crate::session_store::fixture::{LIFETIMES, Outcome, START, StoreFixture, claim};

/// Another node has removed the copy because the account changed.
#[tokio::test]
async fn a_redis_key_without_an_account_is_completed_from_sql() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
    fixture.forget_field(session, "profile").await;
    assert_eq!(fixture.account_of(session).await, Some(fixture.profile().await));
    fixture.forget_field(session, "profile").await;
    assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Current(3));
    let late = START.plus(LIFETIMES.grace).plus(Duration::from_millis(1));
    assert_eq!(fixture.rotate(session, 2, late).await, Outcome::Reused);
}

/// A program that can write to Redis may change a session, or give it the account of another one.
#[tokio::test]
async fn an_account_that_another_program_wrote_to_redis_is_not_trusted() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let (mine, admins) = (
        fixture.open().await,
        fixture.add_account(AccountId::random(), "admin").await,
    );
    fixture.make_admin().await;
    let me = fixture.account_of(mine).await.unwrap();
    assert!(fixture.account_of(admins).await.is_some());
    let theirs = fixture.field(admins, "profile").await;
    let profile = fixture.field(mine, "profile").await;
    let richer = profile.replace(r#""roles":["#, r#""roles":["owner","#);
    let longer = profile.replacen(&expiry(&profile), "9000000000000", 1);
    assert!(richer != profile && longer != profile);

    let mut generation = 1;
    for written in [&richer, &longer, &without_tag(&profile), "{", "", &theirs] {
        fixture.overwrite_field(mine, "profile", written).await;
        assert_eq!(fixture.account_of(mine).await.as_ref(), Some(&me), "{written}");
        assert_eq!(fixture.field(mine, "profile").await, profile, "it is mended");

        fixture.overwrite_field(mine, "profile", written).await;
        let renewal = fixture
            .sessions
            .rotate(claim(mine, generation), START, None)
            .await
            .unwrap();
        generation += 1;
        let expected = Rotation::Current {
            account: me.clone(),
            generation: Generation(generation),
        };
        assert_eq!(renewal.rotation, expected, "{written}");
        assert_eq!(fixture.account_of(mine).await.as_ref(), Some(&me));
    }
}

/// The latest expiry in a profile.
fn expiry(profile: &str) -> String {
    profile.split('.').nth(1).unwrap().to_owned()
}

/// The same profile without its tag.
fn without_tag(profile: &str) -> String {
    let parts: Vec<&str> = profile.splitn(5, '.').collect();
    [parts[0], parts[1], parts[2], "", parts[4]].join(".")
}

#[tokio::test]
async fn a_redis_key_with_another_value_is_rebuilt() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let (session, neighbour) = (fixture.open().await, fixture.open().await);
    assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
    let account = fixture.account_of(session).await;
    let sound = fixture.text_of(session).await;
    let profile = fixture.field(session, "profile").await;
    let others = [
        None,
        Some(String::new()),
        Some("garbage".to_owned()),
        Some(sound.replacen("2 ", "two ", 1)),
        Some(format!("2     {profile}")),
        Some(format!("2 {}    {profile}", START.millis())),
        Some(format!("9  {}  l {profile}", START.millis())),
        Some(format!("1e9 {0} {0}   {profile}", START.millis())),
        Some(format!("9999999999 {0} {0}   {profile}", START.millis())),
        Some(format!("2 {0}{0} {0}   {profile}", START.millis())),
        Some(format!("2 {0} {0}{0}   {profile}", START.millis())),
    ];
    for other in &others {
        fixture.put(session, other.as_deref()).await;
        let both = tokio::join!(fixture.account_of(session), fixture.account_of(neighbour));
        assert_eq!(both, (account.clone(), account.clone()), "{other:?}");

        fixture.put(session, other.as_deref()).await;
        let renewal = fixture.sessions.rotate(claim(session, 1), START, None).await.unwrap();
        assert!(
            matches!(renewal.rotation, Rotation::Current { .. }),
            "{other:?}: {renewal:?}"
        );
        assert_eq!(fixture.field(session, "profile").await, profile, "{other:?} is mended");
    }
}

/// A program that can write to Redis cannot block a session for longer than a limit does.
#[tokio::test]
async fn a_charge_in_redis_that_no_limit_allows_is_ignored() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    for generation in 1..3 {
        let renewal = fixture
            .sessions
            .rotate(claim(session, generation), START, Some(Limit::RefreshPerSession))
            .await
            .unwrap();
        assert!(matches!(renewal.rotation, Rotation::Current { .. }), "{renewal:?}");
        fixture.overwrite_field(session, "arrival", "99999999999999").await;
    }
}

/// Redis decides the generation of a session, and not how long it lives.
#[tokio::test]
async fn a_session_does_not_exceed_its_greatest_age_whatever_redis_holds() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let late = START.plus(LIFETIMES.session);
    for is_found in [true, false] {
        let session = fixture.open().await;
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        let profile = fixture.field(session, "profile").await;
        let longer = profile.replacen(&expiry(&profile), "9000000000000", 1);
        fixture.overwrite_field(session, "profile", &longer).await;
        fixture
            .overwrite_field(session, "rotated", &late.millis().to_string())
            .await;
        if is_found {
            assert!(!fixture.is_live(session, late).await);
        } else {
            assert_eq!(fixture.rotate(session, 2, late).await, Outcome::Ended);
        }
    }
}

/// A restored backup fires no trigger. The hourly save reads the account too.
#[tokio::test]
async fn a_rotation_that_redis_saves_in_sql_updates_the_account() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    let before = fixture.profile().await;
    assert_eq!(fixture.account_of(session).await.as_ref(), Some(&before));
    fixture.by_sql("DROP TRIGGER accounts_note_change ON accounts").await;
    fixture.make_admin().await;
    fixture.apply_external_changes().await;
    assert_eq!(
        fixture.account_of(session).await,
        Some(before),
        "Redis still has the old copy"
    );
    let due = START.plus(Duration::from_hours(1));
    let renewal = fixture.sessions.rotate(claim(session, 1), due, None).await.unwrap();
    let (account, generation) = (fixture.profile().await, Generation(2));
    assert_eq!(fixture.account_of(session).await.as_ref(), Some(&account));
    assert_eq!(renewal.rotation, Rotation::Current { account, generation });
}
