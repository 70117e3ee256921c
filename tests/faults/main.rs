//! The fault suite: real servers on loopback, real kills, and a ledger of every acknowledged answer.
//!
//! `scripts/faults` starts it. Each scenario does something to the gateway or to its stores while clients work, and then goes
//! through what they were told: whoever was not logged out is still signed in, and whoever was, stays so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a suite that cannot set its env ends at once"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its figures are what it is for"
)]
#![allow(unreachable_pub, reason = "one program; nothing in it is public")]
mod client;
mod environment;
mod expected_state;
mod failover_proxy;
mod load;
mod lossy_proxy;
mod record;
mod report;
mod request;
mod rng;
mod scenarios;
mod servers;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use futures_util::future::{join, join_all};
use tokio::signal::unix::{SignalKind, signal};

use environment::Environment;
use scenarios::{CpuUse, SCENARIOS, Scenario};

/// Faults that sessions must survive, on real servers
#[derive(Parser)]
#[command(name = "scripts/faults")]
struct Arguments {
    /// Do everything less often: for continuous integration
    #[arg(long)]
    short: bool,
    /// Repeat the choices of an earlier run
    #[arg(long)]
    seed: Option<u64>,
    /// Only these scenarios
    #[arg(value_parser = SCENARIOS.map(|scenario| scenario.name))]
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    // On this thread, which lasts: the servers get their last signal when the thread that started them ends.
    runtime.block_on(async {
        tokio::select! {
            exit = run(arguments) => exit,
            exit = interrupted() => exit,
        }
    })
}

async fn run(arguments: Arguments) -> ExitCode {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut env = Environment::set(seed, arguments.short);
    println!("{}{}", env.versions(), form(arguments.short, seed));
    let started = Instant::now();
    let is_selected = |scenario: &Scenario| {
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|name| name == scenario.name)
    };
    // A branch for each, so that the same seed makes the same choices whichever are selected.
    let branches = SCENARIOS.iter().map(|scenario| (scenario, env.fork()));
    let selected = branches.filter(|(scenario, _)| is_selected(scenario));
    // In the full form one after another, so that nobody's figures are touched by somebody else's load.
    let (concurrent, in_turn): (Vec<_>, Vec<_>) =
        selected.partition(|(scenario, _)| arguments.short && scenario.cpu_use == CpuUse::Waiting);
    let in_turn = async {
        let mut results = Vec::new();
        for (scenario, env) in in_turn {
            results.push(run_scenario(scenario, env).await);
        }
        results
    };
    let concurrent = concurrent
        .into_iter()
        .map(|(scenario, env)| run_scenario(scenario, env));
    let (in_turn, concurrent) = join(in_turn, join_all(concurrent)).await;
    println!("\nall in {:.0} s", started.elapsed().as_secs_f64());
    let failed: Vec<&str> = in_turn.into_iter().chain(concurrent).filter_map(Result::err).collect();
    if failed.is_empty() {
        println!("no violation");
        return ExitCode::SUCCESS;
    }
    println!("violations in: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// The scenario's name, if something went wrong.
async fn run_scenario(scenario: &Scenario, mut env: Environment) -> Result<(), &'static str> {
    let begun = Instant::now();
    let is_good = (scenario.run)(&mut env).await;
    println!("  {} took {:.0} s", scenario.name, begun.elapsed().as_secs_f64());
    if is_good { Ok(()) } else { Err(scenario.name) }
}

fn form(is_short: bool, seed: u64) -> String {
    let form = if is_short { "short" } else { "full" };
    format!("{form} form, --seed {seed}")
}

/// Ctrl-C, or whoever started this has ended: the servers and their files go with the env.
async fn interrupted() -> ExitCode {
    let mut interrupt = signal(SignalKind::interrupt()).unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let mut hang_up = signal(SignalKind::hangup()).unwrap();
    let number = tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
        _ = hang_up.recv() => 1,
    };
    eprintln!("interrupted");
    ExitCode::from(128 + number)
}
