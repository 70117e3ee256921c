//! What is done to the gateway, one subject per file.

mod kill;
mod lost_answers;
mod reuse;
mod tabs;

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
pub const SCENARIOS: [Scenario; 4] = [
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
        name: "kill",
        run: |stage| Box::pin(kill::run(stage)),
    },
];
