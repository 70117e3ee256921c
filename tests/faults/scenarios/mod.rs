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
    pub run: Run,
}

/// All of them, in the order in which they run.
pub const SCENARIOS: [Scenario; 14] = [
    Scenario {
        name: "tabs",
        run: |stage| Box::pin(tabs::run(stage)),
    },
    Scenario {
        name: "lost-answers",
        run: |stage| Box::pin(lost_answers::run(stage)),
    },
    Scenario {
        name: "reuse",
        run: |stage| Box::pin(reuse::run(stage)),
    },
    Scenario {
        name: "hang-up",
        run: |stage| Box::pin(hang_up::run(stage)),
    },
    Scenario {
        name: "kill",
        run: |stage| Box::pin(kill::run(stage)),
    },
    Scenario {
        name: "flush",
        run: |stage| Box::pin(redis_loss::flush(stage)),
    },
    Scenario {
        name: "redis-restart",
        run: |stage| Box::pin(redis_loss::restart(stage)),
    },
    Scenario {
        name: "eviction",
        run: |stage| Box::pin(redis_loss::eviction(stage)),
    },
    Scenario {
        name: "stale-replica",
        run: |stage| Box::pin(stale::replica(stage)),
    },
    Scenario {
        name: "old-snapshot",
        run: |stage| Box::pin(stale::snapshot(stage)),
    },
    Scenario {
        name: "postgres",
        run: |stage| Box::pin(postgres::run(stage)),
    },
    Scenario {
        name: "cluster",
        run: |stage| Box::pin(cluster::run(stage)),
    },
    Scenario {
        name: "keys",
        run: |stage| Box::pin(keys::run(stage)),
    },
    Scenario {
        name: "outage",
        run: |stage| Box::pin(outage::run(stage)),
    },
];
