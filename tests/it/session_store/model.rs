//! The rotation of refresh tokens against a model: random histories of events have the same
//! outcomes in each store and in forty lines of code.
//!
//! The model has the row and the state in Redis. After Redis has lost a key, a token between the
//! generation of the row, which is saved about once an hour, and the newest one counts as current
//! once more. Without Redis both are the same.

use std::time::Duration;

use auth_gateway::domain::clock::Timestamp;
use auth_gateway::domain::session::EndReason;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::{AttackReport, Backend};
use crate::session_store::fixture::{LIFETIMES, Outcome, START, StoreFixture};

/// What can happen to a session.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A token is presented whose generation is this much above the newest one.
    Rotate(i64),
    /// A logout.
    End,
    /// Redis loses the key.
    Forget,
    Wait(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    generation: u32,
    rotated_at: Timestamp,
}

/// What a session should do.
struct Model {
    row: State,
    hot: Option<State>,
    saved_at: Timestamp,
    is_ended: bool,
    /// How often the row is told.
    interval: Duration,
}

impl Model {
    fn new(interval: Duration) -> Self {
        let row = State {
            generation: 1,
            rotated_at: START,
        };
        Self {
            row,
            hot: Some(row),
            saved_at: START,
            is_ended: false,
            interval,
        }
    }

    /// Lost hot state is as good as the row.
    fn state(&mut self) -> State {
        let row = self.row;
        *self.hot.get_or_insert_with(|| {
            self.saved_at = row.rotated_at;
            row
        })
    }

    fn is_live(&mut self, now: Timestamp) -> bool {
        let over_at = self.state().rotated_at.plus(LIFETIMES.refresh_token);
        !self.is_ended && now < over_at.min(START.plus(LIFETIMES.session))
    }

    /// The table in ARCHITECTURE.md.
    fn rotate(&mut self, presented: u32, now: Timestamp) -> Outcome {
        let State { generation, rotated_at } = self.state();
        if !self.is_live(now) {
            return Outcome::Ended;
        }
        if presented >= generation {
            let moved = State {
                generation: presented + 1,
                rotated_at: now,
            };
            self.hot = Some(moved);
            if now >= self.saved_at.plus(self.interval) {
                (self.row, self.saved_at) = (moved, now);
            }
            return Outcome::Current(presented + 1);
        }
        if presented + 1 == generation && now <= rotated_at.plus(LIFETIMES.grace) {
            return Outcome::Current(generation);
        }
        self.is_ended = true;
        Outcome::Reused
    }
}

fn event() -> impl Strategy<Value = Event> {
    let spans = [
        Duration::ZERO,
        Duration::from_millis(1),
        LIFETIMES.grace / 2,
        LIFETIMES.grace,
        LIFETIMES.grace + Duration::from_millis(1),
        Duration::from_mins(30),
        Duration::from_hours(1),
        Duration::from_hours(5),
        LIFETIMES.refresh_token.mul_f64(0.99),
        LIFETIMES.refresh_token,
    ];
    prop_oneof![
        12 => prop::sample::select(vec![0, 0, 0, 0, -1, -1, -2, -3, 1, 3]).prop_map(Event::Rotate),
        1 => Just(Event::End),
        3 => Just(Event::Forget),
        6 => prop::sample::select(spans.to_vec()).prop_map(Event::Wait),
    ]
}

fn history() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..25)
}

/// The generation of the token that comes.
fn presented(model: &mut Model, newer: i64) -> u32 {
    let newest = i64::from(model.state().generation);
    u32::try_from((newest + newer).max(1)).unwrap()
}

/// Lets a session of the store and one of the model live through the same; where they differ, says
/// so.
async fn replay(fixture: &StoreFixture, history: &[Event], mut model: Model) -> Result<(), String> {
    let (session, mut now) = (fixture.open().await, START);
    for (at, event) in history.iter().enumerate() {
        match *event {
            Event::Rotate(newer) => {
                let generation = presented(&mut model, newer);
                let (got, expected) = (
                    fixture.rotate(session, generation, now).await,
                    model.rotate(generation, now),
                );
                if got != expected {
                    return Err(format!(
                        "event {at}, generation {generation}: {got:?}, not {expected:?}"
                    ));
                }
            }
            Event::End => {
                fixture.sessions.end(session, EndReason::Logout, now).await.unwrap();
                model.is_ended = true;
            }
            Event::Forget => {
                fixture.forget(session).await;
                model.hot = None;
            }
            Event::Wait(span) => now = now.plus(span),
        }
        let (got, expected) = (fixture.is_live(session, now).await, model.is_live(now));
        if got != expected {
            return Err(format!("event {at}: live {got}, not {expected}"));
        }
    }
    Ok(())
}

fn check(backend: Backend, cases: u32, interval: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fixture = runtime.block_on(StoreFixture::new(backend));
    // A store that has just started extends the grace period. Here it started long ago.
    let long_ago = START.minus(Duration::from_hours(1));
    runtime.block_on(async { fixture.rotate(fixture.open().await, 1, long_ago).await });
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut report = AttackReport::new("rotation");
    let outcome = TestRunner::new(config).run(&history(), |history| {
        let lived = runtime.block_on(replay(&fixture, &history, Model::new(interval)));
        lived.map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        report.accepted(error.to_string());
    }
    report.tried(cases as usize);
    report.finish();
}

#[test]
fn sql_behaves_like_the_model_on_sqlite() {
    check(Backend::Sqlite, 250, Duration::ZERO);
    check(Backend::Postgres, 100, Duration::ZERO);
}

#[test]
fn redis_over_postgres_behaves_like_the_model() {
    check(Backend::PostgresRedis, 250, Duration::from_hours(1));
}

/// Redis is more lenient than SQL where a key was lost, and nowhere else.
#[test]
fn redis_that_loses_nothing_behaves_like_sql() {
    let config = Config {
        cases: 5_000,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&history(), |history| {
        let (mut sql, mut hot) = (Model::new(Duration::ZERO), Model::new(Duration::from_hours(1)));
        let mut now = START;
        for event in history {
            match event {
                Event::Rotate(newer) => {
                    let generation = presented(&mut sql, newer);
                    prop_assert_eq!(sql.rotate(generation, now), hot.rotate(generation, now));
                }
                Event::End => (sql.is_ended, hot.is_ended) = (true, true),
                Event::Forget => {}
                Event::Wait(span) => now = now.plus(span),
            }
            prop_assert_eq!(sql.is_live(now), hot.is_live(now));
        }
        Ok(())
    });
    outcome.unwrap();
}
