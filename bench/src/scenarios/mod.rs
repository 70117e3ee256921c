//! What is measured, one file a subject.

mod doors;

use crate::Result;
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
}

/// All of them, in the order in which they run.
pub const SCENARIOS: [Scenario; 1] = [Scenario {
    name: "doors",
    part: Part::Always,
    run: doors::run,
}];
