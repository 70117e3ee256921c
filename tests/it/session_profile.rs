//! What Redis holds of an account beside its sessions: believed where the gateway has written it, and as new as SQL says.

use std::time::Duration;

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::limit::Limit;
use auth_gateway::domain::session::{Generation, Rotation};

use crate::harness::Backend;
use crate::session_bench::{Bench, LIFETIMES, Outcome, START, claim};

/// A node that was told of a change has taken it away.
#[tokio::test]
async fn a_key_without_an_account_is_filled_in_from_sql() {
    let bench = Bench::new(Backend::PostgresRedis).await;
    let session = bench.open().await;
    assert_eq!(bench.rotate(session, 1, START).await, Outcome::Current(2));
    bench.forget_field(session, "profile").await;
    assert_eq!(bench.account_of(session).await, Some(bench.profile().await));
    bench.forget_field(session, "profile").await;
    assert_eq!(bench.rotate(session, 2, START).await, Outcome::Current(3));
    let late = START.plus(LIFETIMES.grace).plus(Duration::from_millis(1));
    assert_eq!(bench.rotate(session, 2, late).await, Outcome::Reused);
}

/// Whoever can write to Redis may change their own session there, or put another's account beside it; SQL goes on naming the account.
#[tokio::test]
async fn an_account_that_somebody_else_wrote_into_redis_is_not_believed() {
    let bench = Bench::new(Backend::PostgresRedis).await;
    let (mine, admins) = (
        bench.open().await,
        bench.add_account(AccountId::random(), "admin").await,
    );
    bench.make_admin().await;
    let me = bench.account_of(mine).await.unwrap();
    assert!(bench.account_of(admins).await.is_some());
    let theirs = bench.field(admins, "profile").await;
    let profile = bench.field(mine, "profile").await;
    let richer = profile.replace(r#""roles":["#, r#""roles":["owner","#);
    let longer = profile.replacen(&expiry(&profile), "9000000000000", 1);
    assert!(richer != profile && longer != profile);

    let mut generation = 1;
    for written in [&richer, &longer, &unsealed(&profile), "{", "", &theirs] {
        bench.overwrite_field(mine, "profile", written).await;
        assert_eq!(bench.account_of(mine).await.as_ref(), Some(&me), "{written}");
        assert_eq!(bench.field(mine, "profile").await, profile, "it is mended");

        bench.overwrite_field(mine, "profile", written).await;
        let renewal = bench
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
        assert_eq!(bench.account_of(mine).await.as_ref(), Some(&me));
    }
}

/// When the session ends at the latest, as a profile says it.
fn expiry(profile: &str) -> String {
    profile.split('.').nth(1).unwrap().to_owned()
}

/// The same profile without its tag.
fn unsealed(profile: &str) -> String {
    let parts: Vec<&str> = profile.splitn(5, '.').collect();
    [parts[0], parts[1], parts[2], "", parts[4]].join(".")
}

/// Whoever can write to Redis may have left anything there; SQL brings the session back.
#[tokio::test]
async fn a_key_that_holds_something_else_is_mended() {
    let bench = Bench::new(Backend::PostgresRedis).await;
    let (session, neighbour) = (bench.open().await, bench.open().await);
    assert_eq!(bench.rotate(session, 1, START).await, Outcome::Current(2));
    let account = bench.account_of(session).await;
    let sound = bench.text_of(session).await;
    let profile = bench.field(session, "profile").await;
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
        bench.put(session, other.as_deref()).await;
        let both = tokio::join!(bench.account_of(session), bench.account_of(neighbour));
        assert_eq!(both, (account.clone(), account.clone()), "{other:?}");

        bench.put(session, other.as_deref()).await;
        let renewal = bench.sessions.rotate(claim(session, 1), START, None).await.unwrap();
        assert!(
            matches!(renewal.rotation, Rotation::Current { .. }),
            "{other:?}: {renewal:?}"
        );
        assert_eq!(bench.field(session, "profile").await, profile, "{other:?} is mended");
    }
}

/// Whoever can write to Redis keeps nobody from renewing for longer than a limit does.
#[tokio::test]
async fn a_charge_that_no_limit_can_have_made_is_none() {
    let bench = Bench::new(Backend::PostgresRedis).await;
    let session = bench.open().await;
    for generation in 1..3 {
        let renewal = bench
            .sessions
            .rotate(claim(session, generation), START, Some(Limit::RefreshPerSession))
            .await
            .unwrap();
        assert!(matches!(renewal.rotation, Rotation::Current { .. }), "{renewal:?}");
        bench.overwrite_field(session, "arrival", "99999999999999").await;
    }
}

/// Redis has the last word on how far a session has come, and none on how long it may live.
#[tokio::test]
async fn a_session_does_not_outlast_its_greatest_age_whatever_redis_says() {
    let bench = Bench::new(Backend::PostgresRedis).await;
    let late = START.plus(LIFETIMES.session);
    for is_found in [true, false] {
        let session = bench.open().await;
        assert_eq!(bench.rotate(session, 1, START).await, Outcome::Current(2));
        let profile = bench.field(session, "profile").await;
        let longer = profile.replacen(&expiry(&profile), "9000000000000", 1);
        bench.overwrite_field(session, "profile", &longer).await;
        bench
            .overwrite_field(session, "rotated", &late.millis().to_string())
            .await;
        if is_found {
            assert!(!bench.is_live(session, late).await);
        } else {
            assert_eq!(bench.rotate(session, 2, late).await, Outcome::Over);
        }
    }
}

/// SQL that fires no trigger, as a restored backup: the hourly word with SQL is about the account too.
#[tokio::test]
async fn a_renewal_that_sql_is_told_of_brings_the_account_up_to_date() {
    let bench = Bench::new(Backend::PostgresRedis).await;
    let session = bench.open().await;
    let before = bench.profile().await;
    assert_eq!(bench.account_of(session).await.as_ref(), Some(&before));
    bench.by_sql("DROP TRIGGER accounts_note_change ON accounts").await;
    bench.make_admin().await;
    bench.follow().await;
    assert_eq!(bench.account_of(session).await, Some(before), "nobody has told Redis");
    let due = START.plus(Duration::from_hours(1));
    let renewal = bench.sessions.rotate(claim(session, 1), due, None).await.unwrap();
    let (account, generation) = (bench.profile().await, Generation(2));
    assert_eq!(bench.account_of(session).await.as_ref(), Some(&account));
    assert_eq!(renewal.rotation, Rotation::Current { account, generation });
}
