//! The scenarios, one subject per file.

mod cluster;
mod fault_test;
mod hang_up;
mod keys;
mod kill;
mod lost_answers;
mod outage;
mod postgres;
mod redis_loss;
mod reuse;
mod stale_redis;
mod tabs;

use std::pin::Pin;

use crate::environment::Environment;

/// Runs a scenario. Returns whether there was no violation.
type Run = for<'a> fn(&'a mut Environment) -> Pin<Box<dyn Future<Output = bool> + 'a>>;

/// A fault that sessions must survive.
pub struct Scenario {
    pub name: &'static str,
    pub cpu_use: CpuUse,
    pub run: Run,
}

/// Whether a scenario mostly works or mostly waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuUse {
    Busy,
    /// Waits for a server that is down, or for a timer.
    Waiting,
}

/// All scenarios in the order in which they run.
pub const SCENARIOS: [Scenario; 14] = [
    Scenario {
        name: "tabs",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(tabs::run(env)),
    },
    Scenario {
        name: "lost-answers",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(lost_answers::run(env)),
    },
    Scenario {
        name: "reuse",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(reuse::run(env)),
    },
    Scenario {
        name: "hang-up",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(hang_up::run(env)),
    },
    Scenario {
        name: "kill",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(kill::run(env)),
    },
    Scenario {
        name: "flush",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(redis_loss::flush(env)),
    },
    Scenario {
        name: "redis-restart",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(redis_loss::restart(env)),
    },
    Scenario {
        name: "eviction",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(redis_loss::eviction(env)),
    },
    Scenario {
        name: "stale-replica",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(stale_redis::replica(env)),
    },
    Scenario {
        name: "old-snapshot",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(stale_redis::snapshot(env)),
    },
    Scenario {
        name: "postgres",
        cpu_use: CpuUse::Busy,
        run: |env| Box::pin(postgres::run(env)),
    },
    Scenario {
        name: "cluster",
        cpu_use: CpuUse::Waiting,
        run: |env| Box::pin(cluster::run(env)),
    },
    Scenario {
        name: "keys",
        cpu_use: CpuUse::Waiting,
        run: |env| Box::pin(keys::run(env)),
    },
    Scenario {
        name: "outage",
        cpu_use: CpuUse::Waiting,
        run: |env| Box::pin(outage::run(env)),
    },
];
