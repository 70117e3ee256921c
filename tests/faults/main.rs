//! The fault suite: real servers on loopback that are really killed, and a record of every
//! acknowledged answer.
//!
//! `scripts/faults` starts it. Each scenario injects a fault into the gateway or its stores while
//! clients work. Afterwards it checks what the gateway had acknowledged: sessions that were not
//! logged out are still valid, and sessions that were logged out stay invalid.

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
    /// Fewer repetitions, for continuous integration
    #[arg(long)]
    short: bool,
    /// Repeat the random choices of an earlier run
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
    // Servers start on the main thread, which lives until the end: the kernel signals a server when
    // the thread that started it ends.
    runtime.block_on(async {
        tokio::select! {
            exit = run(arguments) => exit,
            exit = interrupted() => exit,
        }
    })
}

async fn run(arguments: Arguments) -> ExitCode {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut env = Environment::new(seed, arguments.short);
    println!("{}{}", env.versions(), form(arguments.short, seed));
    let started = Instant::now();
    let is_selected = |scenario: &Scenario| {
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|name| name == scenario.name)
    };
    // One random generator per scenario, so that a seed gives the same choices whichever scenarios
    // are selected.
    let branches = SCENARIOS.iter().map(|scenario| (scenario, env.fork()));
    let selected = branches.filter(|(scenario, _)| is_selected(scenario));
    // In the full form scenarios run one after another, so that they do not distort each other's
    // figures.
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
    println!("\ntotal: {:.0} s", started.elapsed().as_secs_f64());
    let failed: Vec<&str> = in_turn.into_iter().chain(concurrent).filter_map(Result::err).collect();
    if failed.is_empty() {
        println!("no violation");
        return ExitCode::SUCCESS;
    }
    println!("violations in: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// Returns the scenario's name if it failed.
async fn run_scenario(scenario: &Scenario, mut env: Environment) -> Result<(), &'static str> {
    let started = Instant::now();
    let is_good = (scenario.run)(&mut env).await;
    println!("  {} took {:.0} s", scenario.name, started.elapsed().as_secs_f64());
    if is_good { Ok(()) } else { Err(scenario.name) }
}

fn form(is_short: bool, seed: u64) -> String {
    let form = if is_short { "short" } else { "full" };
    format!("{form} form, --seed {seed}")
}

/// Waits for Ctrl-C or for the end of the parent process. Servers and files go with the
/// environment.
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
