//! What is done to the gateway, one subject per file.

mod cluster;
mod hang_up;
mod keys;
mod kill;
mod lost_answers;
mod outage;
mod postgres;
mod redis_loss;
mod reuse;
mod stale;
mod tabs;
mod trial;

use std::pin::Pin;

use crate::stage::Stage;

/// A run over a stage; whether nothing went wrong.
type Run = for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = bool> + 'a>>;

/// A fault, or something else that sessions must survive.
pub struct Scenario {
    pub name: &'static str,
    pub pace: Pace,
    pub run: Run,
}

/// What a scenario mostly does with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Keeps the machine busy.
    Busy,
    /// Waits: for a server that is down, or for its turn.
    Waiting,
}

/// All of them, in the order in which they run.
pub const SCENARIOS: [Scenario; 14] = [
    Scenario {
        name: "tabs",
        pace: Pace::Busy,
        run: |stage| Box::pin(tabs::run(stage)),
    },
    Scenario {
        name: "lost-answers",
        pace: Pace::Busy,
        run: |stage| Box::pin(lost_answers::run(stage)),
    },
    Scenario {
        name: "reuse",
        pace: Pace::Busy,
        run: |stage| Box::pin(reuse::run(stage)),
    },
    Scenario {
        name: "hang-up",
        pace: Pace::Busy,
        run: |stage| Box::pin(hang_up::run(stage)),
    },
    Scenario {
        name: "kill",
        pace: Pace::Busy,
        run: |stage| Box::pin(kill::run(stage)),
    },
    Scenario {
        name: "flush",
        pace: Pace::Busy,
        run: |stage| Box::pin(redis_loss::flush(stage)),
    },
    Scenario {
        name: "redis-restart",
        pace: Pace::Busy,
        run: |stage| Box::pin(redis_loss::restart(stage)),
    },
    Scenario {
        name: "eviction",
        pace: Pace::Busy,
        run: |stage| Box::pin(redis_loss::eviction(stage)),
    },
    Scenario {
        name: "stale-replica",
        pace: Pace::Busy,
        run: |stage| Box::pin(stale::replica(stage)),
    },
    Scenario {
        name: "old-snapshot",
        pace: Pace::Busy,
        run: |stage| Box::pin(stale::snapshot(stage)),
    },
    Scenario {
        name: "postgres",
        pace: Pace::Busy,
        run: |stage| Box::pin(postgres::run(stage)),
    },
    Scenario {
        name: "cluster",
        pace: Pace::Waiting,
        run: |stage| Box::pin(cluster::run(stage)),
    },
    Scenario {
        name: "keys",
        pace: Pace::Waiting,
        run: |stage| Box::pin(keys::run(stage)),
    },
    Scenario {
        name: "outage",
        pace: Pace::Waiting,
        run: |stage| Box::pin(outage::run(stage)),
    },
];
