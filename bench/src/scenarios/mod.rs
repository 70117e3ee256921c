//! What is measured, one file a subject.

mod crowds;
mod doors;
mod flood;
mod footprint;
mod growth;
mod login;
mod nodes;
mod plans;
mod profile;
mod refresh;
mod rival;

use crate::Result;
use crate::rounds::Series;
use crate::stage::Stage;

/// Something to measure.
pub struct Scenario {
    pub name: &'static str,
    pub part: Part,
    pub run: fn(&mut Stage) -> Result<()>,
}

/// When it is measured, unless it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Always,
    Large,
    Nodes,
    Profile,
    Rival,
}

/// All of them, in the order in which they run.
pub const SCENARIOS: [Scenario; 11] = [
    always("doors", doors::run),
    always("refresh", refresh::run),
    always("login", login::run),
    always("flood", flood::run),
    always("saturation", flood::run_saturated),
    always("footprint", footprint::run),
    Scenario {
        name: "growth",
        part: Part::Large,
        run: growth::run,
    },
    Scenario {
        name: "plans",
        part: Part::Large,
        run: plans::run,
    },
    Scenario {
        name: "nodes",
        part: Part::Nodes,
        run: nodes::run,
    },
    Scenario {
        name: "profile",
        part: Part::Profile,
        run: profile::run,
    },
    Scenario {
        name: "rival",
        part: Part::Rival,
        run: rival::run,
    },
];

const fn always(name: &'static str, run: fn(&mut Stage) -> Result<()>) -> Scenario {
    let part = Part::Always;
    Scenario { name, part, run }
}

/// As many series as there were contestants.
fn take<const N: usize>(series: Vec<Series>) -> Result<[Series; N]> {
    series.try_into().map_err(|_| "a contestant has no series".into())
}
