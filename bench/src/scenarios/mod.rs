//! The scenarios, one file each.

mod apis;
mod flood;
mod footprint;
mod growth;
mod login;
mod nodes;
mod operations;
mod plans;
mod profile;
mod refresh;
mod rival;

use crate::Result;
use crate::environment::Environment;
use crate::series::Series;

pub struct Scenario {
    pub name: &'static str,
    pub selection: Selection,
    pub run: fn(&mut Environment) -> Result<()>,
}

/// When a scenario runs if the command line names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    Always,
    Large,
    Nodes,
    Profile,
    Rival,
}

/// All scenarios in the order in which they run.
pub const SCENARIOS: [Scenario; 11] = [
    always("apis", apis::run),
    always("refresh", refresh::run),
    always("login", login::run),
    always("flood", flood::run),
    always("saturation", flood::run_saturated),
    always("footprint", footprint::run),
    Scenario {
        name: "growth",
        selection: Selection::Large,
        run: growth::run,
    },
    Scenario {
        name: "plans",
        selection: Selection::Large,
        run: plans::run,
    },
    Scenario {
        name: "nodes",
        selection: Selection::Nodes,
        run: nodes::run,
    },
    Scenario {
        name: "profile",
        selection: Selection::Profile,
        run: profile::run,
    },
    Scenario {
        name: "rival",
        selection: Selection::Rival,
        run: rival::run,
    },
];

const fn always(name: &'static str, run: fn(&mut Environment) -> Result<()>) -> Scenario {
    let selection = Selection::Always;
    Scenario { name, selection, run }
}

/// Converts the series to an array, one element for each target.
fn exactly<const N: usize>(series: Vec<Series>) -> Result<[Series; N]> {
    series.try_into().map_err(|_| "a target has no series".into())
}
