//! Lookups of sessions with their account: current on every store, whatever happens at the same
//! time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use auth_gateway::domain::account::Account;
use auth_gateway::domain::rate_limit::{Allowance, Limit};
use auth_gateway::domain::refresh_token::Rotation;
use auth_gateway::domain::session::{EndReason, Generation, SessionId};
use futures_util::future::join_all;

use crate::harness::{Backend, RedisUser};
use crate::session_store::fixture::{LIFETIMES, Outcome, START, StoreFixture, claim, redis_key};

const BACKENDS: [Backend; 3] = [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis];

impl StoreFixture {
    pub async fn account_of(&self, session: SessionId) -> Option<Arc<Account>> {
        let found = self.sessions.find(session, START).await.unwrap();
        found.map(|live| live.account)
    }

    /// Runs a statement as another program would.
    pub async fn by_sql(&self, what: &str) {
        self.stores.execute(what).await;
    }

    pub async fn make_admin(&self) {
        let own = self.own();
        self.by_sql(&format!(
            "UPDATE accounts SET roles = 'user admin', profile_image_url = 'https://example.com/j.png' WHERE id {own}"
        ))
        .await;
    }

    pub async fn apply_external_changes(&self) {
        self.sessions.apply_external_changes(START).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_by_sql_is_visible_at_once_without_redis_and_after_maintenance_with_redis() {
    for backend in BACKENDS {
        let fixture = StoreFixture::new(backend).await;
        let (session, other) = (fixture.open().await, fixture.open().await);
        let before = fixture.profile().await;
        for session in [session, other] {
            assert_eq!(fixture.account_of(session).await.as_ref(), Some(&before), "{backend:?}");
        }
        fixture.make_admin().await;
        if backend == Backend::PostgresRedis {
            fixture.apply_external_changes().await;
        }
        let after = fixture.profile().await;
        assert_eq!(after.roles, ["user", "admin"]);
        assert_eq!(fixture.account_of(session).await.as_ref(), Some(&after), "{backend:?}");
        let renewal = fixture.sessions.rotate(claim(other, 1), START, None).await.unwrap();
        let generation = Generation(2);
        assert_eq!(
            renewal.rotation,
            Rotation::Current {
                account: after,
                generation
            }
        );
    }
}

#[tokio::test]
async fn an_account_deleted_by_sql_has_no_live_session() {
    for backend in BACKENDS {
        let fixture = StoreFixture::new(backend).await;
        let (session, other) = (fixture.open().await, fixture.open().await);
        for session in [session, other] {
            assert!(fixture.is_live(session, START).await);
        }
        let own = fixture.own();
        fixture.by_sql(&format!("DELETE FROM accounts WHERE id {own}")).await;
        fixture.apply_external_changes().await;
        assert!(!fixture.is_live(session, START).await, "{backend:?}");
        assert_eq!(fixture.rotate(other, 1, START).await, Outcome::Ended, "{backend:?}");
    }
}

/// The gateway gives a reason, and writes the tombstone itself.
#[tokio::test]
async fn an_end_by_sql_without_a_reason_is_applied() {
    for backend in BACKENDS {
        let fixture = StoreFixture::new(backend).await;
        let (session, other) = (fixture.open().await, fixture.open().await);
        for session in [session, other] {
            assert!(fixture.is_live(session, START).await);
        }
        fixture.sessions.end(other, EndReason::Logout, START).await.unwrap();
        assert_eq!(fixture.stores.count("changed_sessions").await, 0);
        fixture
            .by_sql("UPDATE sessions SET ended_at = 1 WHERE ended_at IS NULL")
            .await;
        fixture.apply_external_changes().await;
        assert!(!fixture.is_live(session, START).await, "{backend:?}");
    }
}

/// A copy that is older than the rotation must not make the session look unused.
#[tokio::test]
async fn a_rotated_session_lives_on_although_it_was_found_before() {
    for backend in BACKENDS {
        let fixture = StoreFixture::new(backend).await;
        let session = fixture.open().await;
        assert!(fixture.is_live(session, START).await);
        let later = START.plus(LIFETIMES.refresh_token / 2);
        assert_eq!(
            fixture.rotate(session, 1, later).await,
            Outcome::Current(2),
            "{backend:?}"
        );
        let unless_renewed = START.plus(LIFETIMES.refresh_token);
        assert!(fixture.is_live(session, unless_renewed).await, "{backend:?}");
        assert!(
            !fixture.is_live(session, later.plus(LIFETIMES.refresh_token)).await,
            "{backend:?}"
        );
    }
}

#[tokio::test]
async fn a_change_is_applied_once_and_swept_from_the_log() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    fixture.make_admin().await;
    fixture.make_admin().await;
    let entries = fixture.stores.count("changed_sessions").await;
    assert_eq!(
        entries, 2,
        "one for each session, for the update that changed something"
    );
    fixture.apply_external_changes().await;
    assert_eq!(fixture.account_of(session).await, Some(fixture.profile().await));
    let held = fixture.dump(session).await;
    fixture.apply_external_changes().await;
    assert_eq!(fixture.dump(session).await, held, "it is not applied again");
    fixture
        .sessions
        .sweep(START.plus(Duration::from_hours(24)))
        .await
        .unwrap();
    assert_eq!(fixture.stores.count("changed_sessions").await, 0);
}

#[tokio::test]
async fn a_change_behind_thousands_of_others_is_applied() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    let before = fixture.account_of(session).await;
    fixture
        .by_sql(
            "INSERT INTO changed_sessions (session_id, changed_at) \
            SELECT gen_random_uuid(), 1 FROM generate_series(1, 2500)",
        )
        .await;
    fixture.make_admin().await;
    assert_eq!(fixture.account_of(session).await, before, "not applied yet");
    fixture.apply_external_changes().await;
    assert_eq!(fixture.account_of(session).await, Some(fixture.profile().await));
}

/// As in a cluster with one server down.
#[tokio::test]
async fn a_session_that_redis_cannot_write_is_retried_and_delays_no_other() {
    let user = RedisUser::new().await;
    let fixture = StoreFixture::over_redis(&user.url).await;
    let (refused, told) = (fixture.open().await, fixture.open().await);
    let before = fixture.account_of(refused).await;
    assert_eq!(fixture.account_of(told).await, before);
    fixture.make_admin().await;

    user.allow_writing_only(&redis_key(told)).await;
    let failed = fixture.sessions.apply_external_changes(START).await.is_err();
    assert!(failed, "one session failed");
    user.allow_writing().await;
    let after = Some(fixture.profile().await);
    assert_eq!(fixture.account_of(told).await, after);
    assert_eq!(fixture.account_of(refused).await, before);
    fixture.apply_external_changes().await;
    assert_eq!(fixture.account_of(refused).await, after);
}

/// Polls a future this many times, runs another one, and then completes the first.
async fn interrupted<T>(work: impl Future<Output = T>, polls: u32, meanwhile: impl Future<Output = ()>) -> T {
    let mut work = std::pin::pin!(work);
    let mut done = 0;
    let early = std::future::poll_fn(|context| {
        if done == polls {
            return Poll::Ready(None);
        }
        done += 1;
        work.as_mut().poll(context).map(Some)
    })
    .await;
    meanwhile.await;
    match early {
        Some(outcome) => outcome,
        None => work.await,
    }
}

/// A rebuild that read the account before the change must not write it to Redis after it.
#[tokio::test]
async fn a_late_rebuild_does_not_restore_an_outdated_account() {
    let fixture = StoreFixture::new(Backend::PostgresRedis).await;
    let session = fixture.open().await;
    for polls in 0..30 {
        fixture.forget(session).await;
        let name = format!("picture{polls}");
        let change = async {
            fixture
                .by_sql(&format!("UPDATE accounts SET profile_image_url = '{name}'"))
                .await;
            fixture.sessions.invalidate_account(fixture.account).await.unwrap();
        };
        interrupted(fixture.account_of(session), polls, change).await;
        let found = fixture.account_of(session).await.unwrap();
        assert_eq!(found.profile_image_url, Some(name), "after {polls} polls");
    }
}

#[tokio::test]
async fn a_session_that_ends_during_a_lookup_stays_ended() {
    for backend in BACKENDS {
        let fixture = StoreFixture::new(backend).await;
        for polls in 0..20 {
            for is_known in [false, true] {
                let session = fixture.open().await;
                if is_known {
                    assert!(fixture.is_live(session, START).await);
                }
                let end = async {
                    fixture.sessions.end(session, EndReason::Logout, START).await.unwrap();
                };
                interrupted(fixture.is_live(session, START), polls, end).await;
                assert!(
                    !fixture.is_live(session, START).await,
                    "{backend:?} after {polls} polls"
                );
            }
        }
    }
}

/// Many tasks look two sessions up without a pause, so that reads are batched, and one session
/// ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_among_lookups_counts_for_every_lookup_that_begins_after_it() {
    const LATE: usize = 25;
    for backend in BACKENDS {
        let fixture = Arc::new(StoreFixture::new(backend).await);
        let (ending, staying) = (fixture.open().await, fixture.open().await);
        let has_ended = Arc::new(AtomicBool::new(false));
        let seekers: Vec<_> = (0..16)
            .map(|_| {
                let (fixture, has_ended) = (fixture.clone(), has_ended.clone());
                tokio::spawn(async move {
                    let mut late = Vec::new();
                    while late.len() < LATE {
                        let is_late = has_ended.load(Ordering::SeqCst);
                        let (ended, stayed) =
                            tokio::join!(fixture.is_live(ending, START), fixture.is_live(staying, START));
                        assert!(stayed, "the other one lives on");
                        late.extend(is_late.then_some(ended));
                    }
                    late
                })
            })
            .collect();
        tokio::task::yield_now().await;
        fixture.sessions.end(ending, EndReason::Logout, START).await.unwrap();
        has_ended.store(true, Ordering::SeqCst);
        let answers: Vec<bool> = join_all(seekers).await.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(answers, vec![false; 16 * LATE], "{backend:?}");
    }
}

/// The charge is implemented in Rust and in Lua. Both must agree, also for ended sessions.
#[tokio::test]
async fn every_store_charges_rotations_alike() {
    let limit = Limit::RefreshPerSession;
    let mut histories = Vec::new();
    for backend in BACKENDS {
        let fixture = StoreFixture::new(backend).await;
        let (session, over) = (fixture.open().await, fixture.open().await);
        fixture.sessions.end(over, EndReason::Logout, START).await.unwrap();
        fixture.forget(over).await;
        let (mut now, mut generation, mut history) = (START, 1, Vec::new());
        for step in 0_u64..400 {
            now = now.plus(Duration::from_millis(
                [0, 1, 0, 300, 0, 0, 700, 0][usize::try_from(step * step % 8).unwrap()],
            ));
            let renewal = fixture
                .sessions
                .rotate(claim(session, generation), now, Some(limit))
                .await
                .unwrap();
            let allowance: Allowance = renewal.allowance.unwrap();
            assert_eq!(
                matches!(renewal.rotation, Rotation::Limited(wait) if Some(wait) == allowance.refused_for),
                allowance.refused_for.is_some()
            );
            generation += u32::from(allowance.refused_for.is_none());
            let of_the_dead = fixture.sessions.rotate(claim(over, 1), now, Some(limit)).await.unwrap();
            history.push((allowance, of_the_dead.allowance.unwrap()));
        }
        let live = fixture.sessions.find(session, now).await.unwrap().unwrap();
        assert_eq!(
            live.session.generation,
            Generation(generation),
            "what is refused moves nothing"
        );
        let free = fixture
            .sessions
            .rotate(claim(session, generation), now, None)
            .await
            .unwrap();
        assert_eq!(free.allowance, None);
        histories.push(history);
    }
    assert!(
        histories[0]
            .iter()
            .filter(|(charge, _)| charge.refused_for.is_some())
            .count()
            > 50
    );
    assert!(histories[0] == histories[1] && histories[1] == histories[2]);
}
