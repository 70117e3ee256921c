//! Loads the gateway over HTTP and compares it with bare baselines. `scripts/bench` starts it.
//!
//! docs/performance.md explains the figures.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its figures are what it is for"
)]
#![allow(unreachable_pub, reason = "one program; nothing in it is public")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail so"))]
mod baseline;
mod client;
mod dataset;
mod document;
mod environment;
mod gateway;
mod http_connection;
mod load;
mod process;
mod profile;
mod report;
mod scenarios;
mod series;
mod users;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use baseline::Implementation;
use dataset::Size;
use environment::{Backend, Environment, Schedule, Servers};
use process::Meter;
use report::Report;
use scenarios::{SCENARIOS, Scenario, Selection};
use users::ResponseSizes;

/// A run that cannot be trusted ends with one sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
/// Errors become one sentence on standard error.
pub type Result<T> = std::result::Result<T, Failure>;

/// Measures auth-gateway
#[derive(Parser)]
#[command(name = "auth-gateway-bench")]
enum Cli {
    /// Measure; `scripts/bench` starts the servers for it
    Run(RunOptions),
    /// Fill an empty, migrated database with accounts and sessions
    Fill {
        /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`
        database_url: String,
        #[arg(long, default_value = "1000000")]
        accounts: u64,
        #[arg(long, default_value = "2000000")]
        sessions: u64,
    },
    #[command(flatten)]
    Baseline(Baseline),
}

/// Processes that `run` starts besides the gateway.
#[derive(Subcommand, Clone, Copy)]
enum Baseline {
    /// Serve bare handlers
    #[command(hide = true)]
    Bare {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        me_bytes: usize,
        #[arg(long)]
        sign_in_bytes: usize,
    },
    /// Hash on all cores and print hashes per second
    #[command(hide = true)]
    Hash {
        #[arg(long)]
        seconds: f64,
        /// Use the argon2 crate
        #[arg(long)]
        portable: bool,
    },
}

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct RunOptions {
    /// Measure fewer and shorter rounds, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Only on SQLite
    #[arg(long)]
    sqlite: bool,
    /// Only on PostgreSQL with Redis
    #[arg(long)]
    postgres_redis: bool,
    /// Also measure growth: a million accounts and two million sessions against a thousand accounts
    #[arg(long)]
    large: bool,
    /// Also measure two and four gateways on the same servers
    #[arg(long)]
    nodes: bool,
    /// Also break down the CPU time of a response, with perf
    #[arg(long)]
    profile: bool,
    /// Another build of the gateway to compare with
    #[arg(long, value_name = "PROGRAM")]
    rival: Option<PathBuf>,
    /// Connections of a load
    #[arg(long, default_value = "64")]
    connections: usize,
    /// Accounts of the large data set; it has twice as many sessions
    #[arg(long, default_value = "1000000")]
    large_accounts: u64,
    /// Directory for databases and logs
    #[arg(long)]
    folder: PathBuf,
    /// Write the tables into this document
    #[arg(long)]
    write: Option<PathBuf>,
    /// Only these scenarios
    #[arg(value_parser = SCENARIOS.map(|scenario| scenario.name))]
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    let result = match Cli::parse() {
        Cli::Run(options) => run(&options),
        Cli::Fill {
            database_url,
            accounts,
            sessions,
        } => fill(&database_url, Size { accounts, sessions }),
        Cli::Baseline(baseline) => serve(baseline),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &RunOptions) -> Result<()> {
    let mut env = prepare(options)?;
    let mut selected = SCENARIOS.iter().filter(|scenario| is_selected(scenario, options));
    let failure = selected.find_map(|scenario| {
        log(scenario.name);
        let error = (scenario.run)(&mut env).err()?;
        Some(format!("{} could not be measured: {error}", scenario.name))
    });
    let form = if options.quick { "quick form" } else { "standard form" };
    let run_conditions = document::run_conditions(form, env.servers.as_ref())?;
    let results = format!("{run_conditions}\n\n{}", env.report.markdown());
    // Print the results even after a failure: measuring them may have taken long.
    println!("{results}");
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    log(&format!("{} figures or plans miss their bounds", env.report.missed()));
    let failures = env.report.failures();
    match &failures.first {
        Some(first) => Err(format!("{} answers were failures, the first one: {first}", failures.count).into()),
        None => options
            .write
            .iter()
            .try_for_each(|path| document::write(path, &results)),
    }
}

fn is_selected(scenario: &Scenario, options: &RunOptions) -> bool {
    if !options.scenarios.is_empty() {
        return options.scenarios.iter().any(|name| name == scenario.name);
    }
    match scenario.selection {
        Selection::Always => true,
        Selection::Large => options.large,
        Selection::Profile => options.profile,
        Selection::Nodes => options.nodes,
        Selection::Rival => options.rival.is_some(),
    }
}

fn prepare(options: &RunOptions) -> Result<Environment> {
    let mut backends = vec![Backend::Sqlite, Backend::PostgresRedis];
    if options.sqlite != options.postgres_redis {
        backends.retain(|backend| (*backend == Backend::Sqlite) == options.sqlite);
    }
    let this_program = std::env::current_exe()?;
    Ok(Environment {
        schedule: if options.quick {
            Schedule::quick()
        } else {
            Schedule::standard()
        },
        connections: options.connections,
        servers: servers(&backends)?,
        backends,
        folder: options.folder.clone(),
        gateway: this_program.with_file_name("auth-gateway"),
        rival: options.rival.clone(),
        this_program,
        large: Size {
            accounts: options.large_accounts,
            sessions: options.large_accounts * 2,
        },
        report: Report::default(),
        deployments: BTreeMap::new(),
    })
}

/// These settings come from the environment, because every user of the machine can read a command
/// line.
fn servers(backends: &[Backend]) -> Result<Option<Servers>> {
    if !backends.contains(&Backend::PostgresRedis) {
        return Ok(None);
    }
    Ok(Some(Servers {
        postgres_url: variable("BENCH_POSTGRES_URL")?,
        postgres_log: variable("BENCH_POSTGRES_LOG")?.into(),
        postgres: Meter::of_tree(variable("BENCH_POSTGRES_PID")?.parse()?),
        redis_url: variable("BENCH_REDIS_URL")?,
        redis: Meter::of(variable("BENCH_REDIS_PID")?.parse()?),
    }))
}

fn variable(name: &str) -> Result<String> {
    #[allow(
        clippy::disallowed_methods,
        reason = "scripts/bench passes the addresses of the servers"
    )]
    let value = std::env::var(name);
    value.map_err(|_| format!("{name} is not set: start this with scripts/bench").into())
}

fn fill(database_url: &str, size: Size) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(dataset::fill(database_url, size))
}

fn serve(baseline: Baseline) -> Result<()> {
    match baseline {
        Baseline::Bare {
            port,
            me_bytes,
            sign_in_bytes,
        } => {
            let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
            let sizes = ResponseSizes {
                me: me_bytes,
                sign_in: sign_in_bytes,
            };
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(baseline::serve(address, sizes, variable("BENCH_REDIS_URL").ok()))
        }
        Baseline::Hash { seconds, portable } => {
            let implementation = if portable {
                Implementation::Argon2Crate
            } else {
                Implementation::QuickArgon2
            };
            println!("{}", baseline::hash(implementation, Duration::from_secs_f64(seconds))?);
            Ok(())
        }
    }
}

/// Prints progress to standard error.
pub fn log(words: &str) {
    eprintln!("bench: {words}");
}
