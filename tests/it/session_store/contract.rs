//! The contract of session stores, on each of them: ends that last, passwords that changed, what is forgotten and what is not.

use std::time::Duration;

use auth_gateway::domain::account::{AccountId, CredentialsUpdate};
use auth_gateway::domain::session::{EndReason, Generation, NewSession, Rotation, SessionId};
use futures_util::future::join_all;

use crate::harness::{Backend, RedisUser};
use crate::session_store::fixture::{LIFETIMES, Outcome, START, StoreFixture, claim, hash, on_each_store, session_of};

/// Goes on with some work so many times, and then drops it where it stands.
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
    async fn a_session_that_never_was_is_over(fixture: &StoreFixture) {
        let unknown = SessionId::fresh();
        assert_eq!(fixture.rotate(unknown, 1, START).await, Outcome::Over);
        assert!(!fixture.is_live(unknown, START).await);
        fixture.sessions.end(unknown, EndReason::Logout, START).await.unwrap();
    }

    async fn an_end_is_an_end_however_often(fixture: &StoreFixture) {
        let session = fixture.open().await;
        assert!(fixture.is_live(session, START).await);
        for reason in [EndReason::Logout, EndReason::EndedElsewhere] {
            fixture.sessions.end(session, reason, START).await.unwrap();
            assert!(!fixture.is_live(session, START).await);
            assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Over);
        }
        let reason = fixture.stores.text("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL").await;
        assert_eq!(reason, "logout", "the first end counts");
    }

    async fn the_others_are_the_accounts_other_open_sessions(fixture: &StoreFixture) {
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

    async fn the_others_end_whatever_clock_they_were_opened_by(fixture: &StoreFixture) {
        let own = fixture.open().await;
        let mut ahead = session_of(fixture.account);
        ahead.created_at = START.plus(Duration::from_secs(5));
        fixture.sessions.open(&ahead, &hash("")).await.unwrap();
        fixture.sessions.end_others(fixture.account, own, EndReason::EndedElsewhere, START).await.unwrap();
        assert!(!fixture.is_live(ahead.id, ahead.created_at).await);
        assert!(fixture.is_live(own, START).await);
    }

    async fn all_are_all_the_accounts_open_sessions(fixture: &StoreFixture) {
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
            assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Over);
        }
        assert!(fixture.is_live(stranger, START).await);
        assert_eq!(fixture.sessions.find_end(ended).await.unwrap().unwrap().reason, EndReason::Logout);
        assert_eq!(fixture.sessions.find_end(first).await.unwrap().unwrap().reason, EndReason::Operator);
    }

    async fn a_password_that_was_changed_opens_nothing_and_changes_nothing(fixture: &StoreFixture) {
        let (own, other) = (fixture.open().await, fixture.open().await);
        assert!(fixture.is_live(other, START).await);
        assert_eq!(fixture.change(own, "", "2").await, CredentialsUpdate::Applied);
        assert_eq!((fixture.is_live(own, START).await, fixture.is_live(other, START).await), (true, false));
        assert_eq!(fixture.sessions.find_end(other).await.unwrap().unwrap().reason, EndReason::PasswordChanged);

        let late = session_of(fixture.account);
        assert_eq!(fixture.sessions.open(&late, &hash("")).await.unwrap(), CredentialsUpdate::Conflict);
        assert!(!fixture.is_live(late.id, START).await);
        assert_eq!(fixture.sessions.open(&late, &hash("2")).await.unwrap(), CredentialsUpdate::Applied);
        assert_eq!(fixture.change(own, "", "3").await, CredentialsUpdate::Conflict);
        assert!(fixture.is_live(late.id, START).await, "who comes too late ends nothing");
        fixture.sessions.end(own, EndReason::Logout, START).await.unwrap();
        assert_eq!(fixture.change(own, "2", "3").await, CredentialsUpdate::Conflict, "a session that is over asks for nothing");
        assert!(fixture.is_live(late.id, START).await);
    }

    async fn no_session_on_the_old_password_outlives_its_change(fixture: &StoreFixture) {
        let own = fixture.open().await;
        for round in 0..5 {
            let (old, new) = (round.to_string(), (round + 1).to_string());
            if round == 0 {
                assert_eq!(fixture.change(own, "", "0").await, CredentialsUpdate::Applied);
            }
            let sessions: Vec<NewSession> = (0..20).map(|_| session_of(fixture.account)).collect();
            let compared = hash(&old);
            let opening = join_all(sessions.iter().map(|session| fixture.sessions.open(session, &compared)));
            let (opened, changed) = tokio::join!(opening, fixture.change(own, &old, &new));
            assert_eq!(changed, CredentialsUpdate::Applied);
            for (session, opened) in sessions.iter().zip(opened) {
                assert!(!fixture.is_live(session.id, START).await, "{opened:?} in round {round}");
            }
            assert!(fixture.is_live(own, START).await);
        }
    }

    async fn of_many_changes_at_once_one_is_made(fixture: &StoreFixture) {
        let sessions = join_all((0..8).map(|_| fixture.open())).await;
        let changes = sessions.iter().enumerate().map(|(number, session)| async move {
            fixture.change(*session, "", &number.to_string()).await
        });
        let steps = join_all(changes).await;
        let taken: Vec<usize> = (0..8).filter(|number| steps[*number] == CredentialsUpdate::Applied).collect();
        assert_eq!(taken.len(), 1, "{steps:?}");
        let alive = join_all(sessions.iter().map(|session| fixture.is_live(*session, START))).await;
        assert_eq!(alive.iter().filter(|is_live| **is_live).count(), 1);
        assert!(alive[taken[0]]);
    }

    async fn a_registration_that_is_dropped_half_way_spoils_nothing(fixture: &StoreFixture) {
        // A client may hang up at any await: what others are told afterwards must be stored all the same.
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

    async fn a_store_that_forgets_logs_nobody_out_and_nobody_back_in(fixture: &StoreFixture) {
        let (live, ended) = (fixture.open().await, fixture.open().await);
        assert_eq!(fixture.rotate(live, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(live, 2, START).await, Outcome::Current(3));
        fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();
        for session in [live, ended] {
            fixture.forget(session).await;
        }
        assert!(fixture.is_live(live, START).await);
        assert!(!fixture.is_live(ended, START).await);
        assert_eq!(fixture.rotate(ended, 1, START).await, Outcome::Over);
        assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Current(4));
        assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Current(4));
    }

    async fn sessions_that_ended_long_ago_are_forgotten_and_no_other(fixture: &StoreFixture) {
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
async fn a_replica_that_missed_the_last_writes_brings_nobody_back_and_throws_nobody_out() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let (live, ended) = (fixture.open().await, fixture.open().await);
    for session in [live, ended] {
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Current(3));
    }
    let held = (fixture.key_of(live).await, fixture.key_of(ended).await);
    assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Current(4));
    fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();

    fixture.fall_back_to(ended, &held.1).await;
    assert!(!fixture.is_live(ended, START).await);
    fixture.fall_back_to(ended, &held.1).await;
    assert_eq!(fixture.rotate(ended, 3, START).await, Outcome::Over);

    fixture.fall_back_to(live, &held.0).await;
    assert!(fixture.is_live(live, START).await);
    let found = fixture.sessions.find(live, START).await.unwrap().unwrap();
    assert_eq!(
        found.session.generation,
        Generation(3),
        "as far as the replica had come"
    );
    fixture.fall_back_to(live, &held.0).await;
    assert_eq!(fixture.rotate(live, 4, START).await, Outcome::Current(5));
    assert_eq!(fixture.rotate(live, 3, START).await, Outcome::Reused);
}

/// Who may not ask Redis for its state can use it all the same.
#[tokio::test]
async fn a_redis_user_without_info_will_do() {
    let user = RedisUser::new().await;
    user.forbid("info").await;
    let fixture = StoreFixture::over_redis(&user.url).await;
    let session = fixture.open().await;
    assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
    let row = format!("UPDATE sessions SET generation = 7 WHERE account_id {}", fixture.own());
    fixture.stores.execute(&row).await;
    let found = fixture.sessions.find(session, START).await.unwrap().unwrap();
    assert_eq!(found.session.generation, Generation(2), "Redis has answered");
    fixture.sessions.end(session, EndReason::Logout, START).await.unwrap();
    assert!(!fixture.is_live(session, START).await);
}

#[tokio::test]
async fn a_reused_token_ends_the_session_once_however_many_present_it() {
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
                Rotation::Over => {}
                Rotation::Current { .. } | Rotation::Limited(_) => panic!("{backend:?} renewed an old token"),
            }
        }
        assert_eq!(firsts, 1, "{backend:?}");
    }
}

/// What a node that was killed owes, the node that starts in its place pays.
#[tokio::test]
async fn an_end_that_redis_missed_is_paid_by_a_node_that_starts() {
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
    assert!(
        fixture.is_live(session, START).await,
        "what a node left that was killed before it told Redis"
    );
    fixture
        .sessions
        .settle(START.plus(Duration::from_mins(1)))
        .await
        .unwrap();
    assert!(!fixture.is_live(session, START).await);
}

/// Redis dies between SQL's commit and its own: here it is well, and refuses to write of sessions.
#[tokio::test]
async fn an_end_that_redis_missed_is_owed_and_paid_before_redis_is_asked_again() {
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
    assert!(fixture.sessions.settle(START).await.is_err(), "still refused");
    user.allow_writing().await;
    for session in [first, second] {
        assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Over);
        assert!(!fixture.is_live(session, START).await);
    }
    assert!(fixture.is_live(third, START).await);
    fixture.sessions.settle(START).await.unwrap();
}
