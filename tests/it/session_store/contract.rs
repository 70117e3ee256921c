//! The contract of session stores: durable ends, changed credentials, and stores that lose data.

use std::time::Duration;

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::credential::{CredentialsUpdate, CredentialsVersion};
use auth_gateway::domain::refresh_token::Rotation;
use auth_gateway::domain::session::{EndReason, Generation, NewSession, SessionId};
use futures_util::future::join_all;

use crate::harness::{Backend, RedisUser};
use crate::session_store::fixture::{
    FIRST_VERSION, LIFETIMES, Outcome, START, StoreFixture, claim, on_each_store, session_of,
};

/// Polls a future this many times, and then drops it.
async fn polled<T>(work: impl Future<Output = T>, times: u32) {
    let mut work = std::pin::pin!(work);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        if polls > times {
            return std::task::Poll::Ready(());
        }
        work.as_mut().poll(context).map(drop)
    })
    .await;
}

on_each_store! {
    async fn an_unknown_session_is_not_live(fixture: &StoreFixture) {
        let unknown = SessionId::fresh();
        assert_eq!(fixture.rotate(unknown, 1, START).await, Outcome::Ended);
        assert!(!fixture.is_live(unknown, START).await);
        fixture.sessions.end(unknown, EndReason::Logout, START).await.unwrap();
    }

    async fn a_session_ends_once(fixture: &StoreFixture) {
        let session = fixture.open().await;
        assert!(fixture.is_live(session, START).await);
        for reason in [EndReason::Logout, EndReason::EndedElsewhere] {
            fixture.sessions.end(session, reason, START).await.unwrap();
            assert!(!fixture.is_live(session, START).await);
            assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Ended);
        }
        let reason = fixture.stores.text("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL").await;
        assert_eq!(reason, "logout", "the first end counts");
    }

    async fn end_others_ends_the_other_open_sessions_of_the_account_only(fixture: &StoreFixture) {
        let (first, second, third) = (fixture.open().await, fixture.open().await, fixture.open().await);
        let stranger = fixture.add_account(AccountId::random(), "jane").await;
        for session in [first, second, third, stranger] {
            assert!(fixture.is_live(session, START).await);
        }
        fixture.sessions.end_others(fixture.account, second, EndReason::EndedElsewhere, START).await.unwrap();
        let mut alive = Vec::new();
        for session in [first, second, third, stranger] {
            alive.push(fixture.is_live(session, START).await);
        }
        assert_eq!(alive, [false, true, false, true]);
    }

    async fn end_others_ends_sessions_opened_by_a_node_whose_clock_is_ahead(fixture: &StoreFixture) {
        let own = fixture.open().await;
        let mut ahead = session_of(fixture.account);
        ahead.created_at = START.plus(Duration::from_secs(5));
        fixture.sessions.open(&ahead, FIRST_VERSION).await.unwrap();
        fixture.sessions.end_others(fixture.account, own, EndReason::EndedElsewhere, START).await.unwrap();
        assert!(!fixture.is_live(ahead.id, ahead.created_at).await);
        assert!(fixture.is_live(own, START).await);
    }

    async fn end_all_ends_every_open_session_of_the_account(fixture: &StoreFixture) {
        let (first, second, ended) = (fixture.open().await, fixture.open().await, fixture.open().await);
        let stranger = fixture.add_account(AccountId::random(), "jane").await;
        fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();
        for session in [first, second, stranger] {
            assert!(fixture.is_live(session, START).await);
        }
        let end_all = async || fixture.sessions.end_all(fixture.account, EndReason::Operator, START).await.unwrap();
        assert_eq!((end_all().await, end_all().await), (3, 0), "with the one of the registration");
        for session in [first, second] {
            assert!(!fixture.is_live(session, START).await);
            fixture.forget(session).await;
            assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Ended);
        }
        assert!(fixture.is_live(stranger, START).await);
        assert_eq!(fixture.sessions.find_end(ended).await.unwrap().unwrap().reason, EndReason::Logout);
        assert_eq!(fixture.sessions.find_end(first).await.unwrap().unwrap().reason, EndReason::Operator);
    }

    async fn outdated_credentials_open_no_session_and_change_nothing(fixture: &StoreFixture) {
        let (own, other) = (fixture.open().await, fixture.open().await);
        assert!(fixture.is_live(other, START).await);
        assert_eq!(fixture.change(own, FIRST_VERSION).await, CredentialsUpdate::Applied);
        assert_eq!((fixture.is_live(own, START).await, fixture.is_live(other, START).await), (true, false));
        assert_eq!(fixture.sessions.find_end(other).await.unwrap().unwrap().reason, EndReason::PasswordChanged);

        let late = session_of(fixture.account);
        assert_eq!(fixture.sessions.open(&late, FIRST_VERSION).await.unwrap(), CredentialsUpdate::Conflict);
        assert!(!fixture.is_live(late.id, START).await);
        assert_eq!(fixture.sessions.open(&late, CredentialsVersion(2)).await.unwrap(), CredentialsUpdate::Applied);
        assert_eq!(fixture.change(own, FIRST_VERSION).await, CredentialsUpdate::Conflict);
        assert!(fixture.is_live(late.id, START).await, "a refused change ends no session");
        fixture.sessions.end(own, EndReason::Logout, START).await.unwrap();
        assert_eq!(fixture.change(own, CredentialsVersion(2)).await, CredentialsUpdate::Conflict, "an ended session changes nothing");
        assert!(fixture.is_live(late.id, START).await);
    }

    async fn no_session_opened_with_the_old_password_outlives_its_change(fixture: &StoreFixture) {
        let own = fixture.open().await;
        for round in 1..6 {
            let verified = CredentialsVersion(round);
            let sessions: Vec<NewSession> = (0..20).map(|_| session_of(fixture.account)).collect();
            let opening = join_all(sessions.iter().map(|session| fixture.sessions.open(session, verified)));
            let (opened, changed) = tokio::join!(opening, fixture.change(own, verified));
            assert_eq!(changed, CredentialsUpdate::Applied);
            for (session, opened) in sessions.iter().zip(opened) {
                assert!(!fixture.is_live(session.id, START).await, "{opened:?} in round {round}");
            }
            assert!(fixture.is_live(own, START).await);
        }
    }

    async fn of_simultaneous_password_changes_one_is_applied(fixture: &StoreFixture) {
        let sessions = join_all((0..8).map(|_| fixture.open())).await;
        let changes = sessions.iter().map(|session| async move {
            fixture.change(*session, FIRST_VERSION).await
        });
        let steps = join_all(changes).await;
        let taken: Vec<usize> = (0..8).filter(|number| steps[*number] == CredentialsUpdate::Applied).collect();
        assert_eq!(taken.len(), 1, "{steps:?}");
        let alive = join_all(sessions.iter().map(|session| fixture.is_live(*session, START))).await;
        assert_eq!(alive.iter().filter(|is_live| **is_live).count(), 1);
        assert!(alive[taken[0]]);
    }

    async fn a_cancelled_registration_leaves_nothing_half_done(fixture: &StoreFixture) {
        // A client may hang up at any await point. What is stored for others afterwards must last.
        for polls in 0..20 {
            let name = format!("name{polls}");
            polled(fixture.add_account(AccountId::random(), &name), polls).await;
            for _ in 0..4 {
                fixture.open().await;
            }
            // Read over a connection of its own.
            let own = format!("SELECT CAST(COUNT(*) AS TEXT) FROM sessions WHERE account_id {}", fixture.own());
            assert_eq!(fixture.stores.text(&own).await, (4 * (polls + 1) + 1).to_string(), "after {polls} polls");
        }
        let accounts = fixture.stores.text("SELECT CAST(COUNT(*) AS TEXT) FROM accounts").await;
        let owners = fixture.stores.text("SELECT CAST(COUNT(DISTINCT account_id) AS TEXT) FROM sessions").await;
        assert_eq!(accounts, owners, "each account has the session of its registration");
    }

    async fn a_store_that_loses_a_session_neither_ends_nor_revives_it(fixture: &StoreFixture) {
        let (live, ended) = (fixture.open().await, fixture.open().await);
        assert_eq!(fixture.rotate(live, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(live, 2, START).await, Outcome::Current(3));
        fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();
        for session in [live, ended] {
            fixture.forget(session).await;
        }
        assert!(fixture.is_live(live, START).await);
        assert!(!fixture.is_live(ended, START).await);
        assert_eq!(fixture.rotate(ended, 1, START).await, Outcome::Ended);
        assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Current(4));
        assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Current(4));
    }

    async fn sessions_that_ended_a_week_ago_are_swept_and_no_others(fixture: &StoreFixture) {
        let week = Duration::from_hours(7 * 24);
        let (ended, live) = (fixture.open().await, fixture.open().await);
        fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();
        assert_eq!(fixture.sessions.sweep(START.plus(week)).await.unwrap(), 0);
        assert_eq!(fixture.sessions.sweep(START.plus(week).plus(Duration::from_millis(1))).await.unwrap(), 1);
        assert!(fixture.is_live(live, START).await);
        assert_eq!(fixture.sessions.find_owner(ended).await.unwrap(), None);
        let expired = START.plus(LIFETIMES.session).plus(week).plus(Duration::from_millis(1));
        assert_eq!(fixture.sessions.sweep(expired).await.unwrap(), 2, "the registration's own session among them");
        assert_eq!(fixture.stores.rows().await, (1, 0));
    }
}

#[tokio::test]
async fn a_promoted_replica_that_missed_writes_neither_revives_nor_ends_a_session() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let (live, ended) = (fixture.open().await, fixture.open().await);
    for session in [live, ended] {
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Current(3));
    }
    let held = (fixture.dump(live).await, fixture.dump(ended).await);
    assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Current(4));
    fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();

    fixture.promote_stale_replica(ended, &held.1).await;
    assert!(!fixture.is_live(ended, START).await);
    fixture.promote_stale_replica(ended, &held.1).await;
    assert_eq!(fixture.rotate(ended, 3, START).await, Outcome::Ended);

    fixture.promote_stale_replica(live, &held.0).await;
    assert!(fixture.is_live(live, START).await);
    let found = fixture.sessions.find(live, START).await.unwrap().unwrap();
    assert_eq!(found.session.generation, Generation(3), "the generation of the replica");
    fixture.promote_stale_replica(live, &held.0).await;
    assert_eq!(fixture.rotate(live, 4, START).await, Outcome::Current(5));
    assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Reused);
}

#[tokio::test]
async fn a_redis_user_without_the_info_command_works() {
    let user = RedisUser::new().await;
    user.forbid("info").await;
    let fixture = StoreFixture::over_redis(&user.url).await;
    let session = fixture.open().await;
    assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
    let row = format!("UPDATE sessions SET generation = 7 WHERE account_id {}", fixture.own());
    fixture.stores.execute(&row).await;
    let found = fixture.sessions.find(session, START).await.unwrap().unwrap();
    assert_eq!(found.session.generation, Generation(2), "read from Redis");
    fixture.sessions.end(session, EndReason::Logout, START).await.unwrap();
    assert!(!fixture.is_live(session, START).await);
}

#[tokio::test]
async fn a_token_reused_many_times_at_once_ends_its_session_once() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        let fixture = StoreFixture::new(backend).await;
        let session = fixture.open().await;
        for generation in 1..4 {
            assert_eq!(
                fixture.rotate(session, generation, START).await,
                Outcome::Current(generation + 1)
            );
        }
        let claim = claim(session, 1);
        let attempts: Vec<_> = (0..20)
            .map(|_| {
                let sessions = fixture.sessions.clone();
                tokio::spawn(async move { sessions.rotate(claim, START, None).await.unwrap().rotation })
            })
            .collect();
        let mut firsts = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Rotation::Reused { ended } => firsts += u32::from(ended.is_some()),
                Rotation::Ended => {}
                Rotation::Current { .. } | Rotation::Limited(_) => panic!("{backend:?} rotated an old token"),
            }
        }
        assert_eq!(firsts, 1, "{backend:?}");
    }
}

/// A node was killed after the commit in SQL, before it wrote the tombstone.
#[tokio::test]
async fn a_node_that_starts_writes_the_tombstones_of_recent_ends() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    assert_eq!(
        fixture.rotate(session, 1, START).await,
        Outcome::Current(2),
        "Redis knows the session"
    );
    fixture
        .stores
        .execute(&format!(
            "UPDATE sessions SET ended_at = {}, end_reason = 'logout'",
            START.millis()
        ))
        .await;
    assert!(fixture.is_live(session, START).await, "Redis has no tombstone yet");
    fixture
        .sessions
        .flush_pending(START.plus(Duration::from_mins(1)))
        .await
        .unwrap();
    assert!(!fixture.is_live(session, START).await);
}

/// Redis fails between the commit in SQL and the tombstone: it refuses to write keys of sessions.
#[tokio::test]
async fn a_pending_tombstone_is_written_before_the_next_read_of_its_session() {
    let user = RedisUser::new().await;
    let fixture = StoreFixture::over_redis(&user.url).await;

    let (first, second, third) = (fixture.open().await, fixture.open().await, fixture.open().await);
    for session in [first, second, third] {
        assert_eq!(
            fixture.rotate(session, 1, START).await,
            Outcome::Current(2),
            "Redis knows the session"
        );
    }
    user.forbid_writing("auth-gateway:session:").await;
    assert!(
        fixture
            .sessions
            .end_others(fixture.account, third, EndReason::EndedElsewhere, START)
            .await
            .is_err()
    );
    assert!(fixture.sessions.flush_pending(START).await.is_err(), "still refused");
    user.allow_writing().await;
    for session in [first, second] {
        assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Ended);
        assert!(!fixture.is_live(session, START).await);
    }
    assert!(fixture.is_live(third, START).await);
    fixture.sessions.flush_pending(START).await.unwrap();
}
