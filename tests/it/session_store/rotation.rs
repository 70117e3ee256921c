//! Rotation on each session store: the rotation table row by row, races, and expiry.

use std::time::Duration;

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::refresh_token::Rotation;
use auth_gateway::domain::session::{EndReason, Generation, SessionId};
use futures_util::future::join_all;

use crate::harness::Backend;
use crate::session_store::fixture::{LIFETIMES, Outcome, START, StoreFixture, claim, on_each_store};

on_each_store! {
    async fn the_current_token_moves_the_session_on(fixture: &StoreFixture) {
        let session = fixture.open().await;
        for generation in 1..6 {
            assert_eq!(fixture.rotate(session, generation, START).await, Outcome::Current(generation + 1));
        }
        assert_eq!(fixture.sessions.find(session, START).await.unwrap().unwrap().session.generation, Generation(6));
    }

    async fn the_previous_token_returns_the_current_one_within_the_grace_period(fixture: &StoreFixture) {
        let session = fixture.open().await;
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(session, 1, START.plus(LIFETIMES.grace)).await, Outcome::Current(2));
        let late = START.plus(LIFETIMES.grace).plus(Duration::from_millis(1));
        assert_eq!(fixture.rotate(session, 1, late).await, Outcome::Reused);
        assert!(!fixture.is_live(session, late).await);
        assert_eq!(fixture.rotate(session, 2, late).await, Outcome::Ended);
    }

    async fn an_older_token_ends_this_session_only(fixture: &StoreFixture) {
        let (session, sibling) = (fixture.open().await, fixture.open().await);
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Current(3));
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Reused);
        assert_eq!(fixture.rotate(session, 3, START).await, Outcome::Ended);
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Ended);
        assert_eq!(fixture.rotate(sibling, 1, START).await, Outcome::Current(2));
    }

    async fn a_newer_generation_than_the_stored_one_is_adopted(fixture: &StoreFixture) {
        let session = fixture.open().await;
        assert_eq!(fixture.rotate(session, 7, START).await, Outcome::Current(8));
        assert_eq!(fixture.rotate(session, 7, START).await, Outcome::Current(8));
        assert_eq!(fixture.rotate(session, 8, START).await, Outcome::Current(9));
    }

    async fn an_unused_session_expires(fixture: &StoreFixture) {
        let session = fixture.open().await;
        let last = START.plus(LIFETIMES.refresh_token);
        assert!(fixture.is_live(session, last.minus(Duration::from_millis(1))).await);
        assert!(!fixture.is_live(session, last).await);
        assert_eq!(fixture.rotate(session, 1, last).await, Outcome::Ended);
    }

    async fn rotation_does_not_extend_the_greatest_age(fixture: &StoreFixture) {
        let session = fixture.open().await;
        let step = LIFETIMES.refresh_token.mul_f64(0.9);
        assert_eq!(fixture.rotate(session, 1, START.plus(step)).await, Outcome::Current(2));
        assert_eq!(fixture.rotate(session, 2, START.plus(step * 2)).await, Outcome::Current(3));
        assert_eq!(fixture.rotate(session, 3, START.plus(step * 3)).await, Outcome::Current(4));
        let end = START.plus(LIFETIMES.session);
        assert!(fixture.is_live(session, end.minus(Duration::from_millis(1))).await);
        assert!(!fixture.is_live(session, end).await);
        assert_eq!(fixture.rotate(session, 4, end).await, Outcome::Ended);
    }

    async fn fifty_simultaneous_rotations_get_the_same_successor(fixture: &StoreFixture) {
        let session = fixture.open().await;
        for generation in 1..4 {
            let claim = claim(session, generation);
            let attempts: Vec<_> = (0..50)
                .map(|_| {
                    let sessions = fixture.sessions.clone();
                    tokio::spawn(async move { sessions.rotate(claim, START, None).await.unwrap().rotation })
                })
                .collect();
            for attempt in attempts {
                let expected = Rotation::Current { account: fixture.profile().await, generation: Generation(generation + 1) };
                assert_eq!(attempt.await.unwrap(), expected);
            }
        }
    }

    async fn a_logout_among_rotations_wins(fixture: &StoreFixture) {
        let session = fixture.open().await;
        let renewals: Vec<_> = (0..20)
            .map(|_| {
                let sessions = fixture.sessions.clone();
                let claim = claim(session, 1);
                tokio::spawn(async move { sessions.rotate(claim, START, None).await.unwrap().rotation })
            })
            .collect();
        fixture.sessions.end(session, EndReason::Logout, START).await.unwrap();
        assert!(!fixture.is_live(session, START).await);
        for renewal in renewals {
            assert!(!matches!(renewal.await.unwrap(), Rotation::Reused { .. }));
        }
        assert!(!fixture.is_live(session, START).await);
        assert_eq!(fixture.rotate(session, 2, START).await, Outcome::Ended);
    }

    async fn a_session_in_use_survives_the_loss_of_its_key(fixture: &StoreFixture) {
        let session = fixture.open().await;
        let day = LIFETIMES.refresh_token;
        assert_eq!(fixture.rotate(session, 1, START.plus(day / 2)).await, Outcome::Current(2));
        fixture.forget(session).await;
        let later = START.plus(day + day / 4);
        assert!(fixture.is_live(session, later).await, "the row has the time of the last rotation");
        assert_eq!(fixture.rotate(session, 2, later).await, Outcome::Current(3));
    }

    async fn simultaneous_rotations_move_each_session_on_by_one(fixture: &StoreFixture) {
        let mut sessions: Vec<SessionId> = Vec::new();
        for _ in 0..150 {
            sessions.push(fixture.open().await);
        }
        let bystander = fixture.open().await;
        // Each session is at a generation of its own.
        let generations = || (0..).map(|number| 1 + number % 7);
        for (session, generation) in sessions.iter().zip(generations()).filter(|(_, generation)| *generation > 1) {
            assert_eq!(fixture.rotate(*session, generation - 1, START).await, Outcome::Current(generation));
        }
        let renewals = sessions.iter().zip(generations()).map(|(session, generation)| fixture.rotate(*session, generation, START));
        for (outcome, generation) in join_all(renewals).await.into_iter().zip(generations()) {
            assert_eq!(outcome, Outcome::Current(generation + 1));
        }
        for (session, generation) in sessions.iter().zip(generations()) {
            let found = fixture.sessions.find(*session, START).await.unwrap().unwrap();
            assert_eq!(found.session.generation, Generation(generation + 1));
        }
        let found = fixture.sessions.find(bystander, START).await.unwrap().unwrap();
        assert_eq!(found.session.generation, Generation::FIRST);
    }

    async fn an_ended_session_disturbs_no_simultaneous_rotation(fixture: &StoreFixture) {
        let [first, ended, last] = [fixture.open().await, fixture.open().await, fixture.open().await];
        fixture.sessions.end(ended, EndReason::Logout, START).await.unwrap();
        let unknown = SessionId::fresh();
        let renewals = [first, ended, unknown, last].map(|session| fixture.rotate(session, 1, START));
        let outcomes = join_all(renewals).await;
        assert_eq!(outcomes, [Outcome::Current(2), Outcome::Ended, Outcome::Ended, Outcome::Current(2)]);
    }
}

/// A connection without foreign keys has deleted the account.
#[tokio::test]
async fn a_session_whose_account_is_gone_is_over_in_sqlite_and_postgres() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let fixture = StoreFixture::new(backend).await;
        let (session, other) = (
            fixture.open().await,
            fixture.add_account(AccountId::random(), "jane").await,
        );
        fixture.delete_account_only().await;
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Ended, "{backend:?}");
        assert!(!fixture.is_live(session, START).await, "{backend:?}");
        assert!(fixture.is_live(other, START).await, "{backend:?}");
    }
}

#[tokio::test]
async fn a_repeated_token_does_not_change_the_time_of_the_rotation_in_sqlite_and_postgres() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let fixture = StoreFixture::new(backend).await;
        let session = fixture.open().await;
        assert_eq!(fixture.rotate(session, 1, START).await, Outcome::Current(2));
        let later = START.plus(LIFETIMES.grace);
        assert_eq!(
            fixture.rotate(session, 1, later).await,
            Outcome::Current(2),
            "{backend:?}"
        );
        let found = fixture.sessions.find(session, later).await.unwrap().unwrap();
        assert_eq!(found.session.rotated_at, START, "{backend:?}");
    }
}
