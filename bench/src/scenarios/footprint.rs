//! Measures how fast a gateway starts, and how much memory it uses.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::dataset::DEFAULT_COST;
use crate::environment::{Environment, Scale};
use crate::gateway::{Deployment, Gateway, Hashing};
use crate::load::{Load, Pace, measure, to_f64};
use crate::report::Bound;
use crate::scenarios::operations::login;
use crate::series::Stats;

/// The longest acceptable start, in milliseconds.
const START: f64 = 50.0;
/// Memory that the gateway may use when idle, in MiB. Under load it may use as much again for
/// requests, besides the memory of its hashes.
const MEMORY: f64 = 20.0;
/// After this time a gateway has freed the memory that only its start needed.
const IDLE_TIME: Duration = Duration::from_secs(2);

pub(super) fn run(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        measure_start_time(env, &deployment)?;
        measure_memory(env, &deployment)?;
    }
    Ok(())
}

fn measure_start_time(env: &mut Environment, deployment: &Deployment) -> Result<()> {
    let starts =
        (0..env.schedule.starts).map(|_| Ok(deployment.start(Hashing::Default)?.started_in.as_secs_f64() * 1000.0));
    let Stats { median, min, max } = Stats::of(&starts.collect::<Result<Vec<f64>>>()?);
    env.report.figure(
        "from the start to the first 200 of `/readyz`, in ms",
        deployment.name,
        format!("{median:.1} ({min:.1} to {max:.1})"),
        Some((median, Bound::AtMost(START))),
    );
    Ok(())
}

/// A gateway that receives no requests.
fn start_idle(deployment: &Deployment) -> Result<Gateway> {
    let gateway = deployment.start(Hashing::Default)?;
    thread::sleep(IDLE_TIME);
    Ok(gateway)
}

fn measure_memory(env: &mut Environment, deployment: &Deployment) -> Result<()> {
    // The kernel maps more of a file that was just built than of a file that it has read from disk.
    let with_page_cache = start_idle(deployment)?.meter().memory()?;
    deployment.drop_cached_program()?;
    let gateway = start_idle(deployment)?;
    let (idle, own) = (gateway.meter().memory()?, gateway.meter().anonymous_memory()?);
    for (what, memory, bound) in [
        ("memory when idle, in MiB", idle, Some(Bound::AtMost(MEMORY))),
        ("of that, not backed by files, in MiB", own, None),
        (
            "memory when idle, with the program already in the page cache, in MiB",
            with_page_cache,
            None,
        ),
    ] {
        let bound = bound.map(|bound| (memory, bound));
        env.report.figure(what, deployment.name, format!("{memory:.1}"), bound);
    }
    let program = to_f64(fs::metadata(&deployment.program)?.len()) / 1024.0 / 1024.0;
    env.report.figure(
        "the program's file, in MiB",
        deployment.name,
        format!("{program:.1}"),
        None,
    );
    let mut clients = login(env.active(Scale::Small), env.connections);
    let load = Load {
        servers: &[gateway.address],
        clients: &mut clients,
        pace: Pace::ClosedLoop,
    };
    for outcome in measure(vec![load], env.schedule.slow.timing, &[])?.outcomes {
        env.report.fail(&outcome.failures);
    }
    let peak = gateway.meter().peak_memory()?;
    let threads = to_f64(thread::available_parallelism()?.get() as u64);
    let bound = MEMORY + threads * f64::from(DEFAULT_COST.0) / 1024.0 + MEMORY;
    env.report.figure(
        &format!(
            "peak memory under a flood of logins over {} connections, in MiB",
            env.connections
        ),
        deployment.name,
        format!("{peak:.1}"),
        Some((peak, Bound::AtMost(bound))),
    );
    Ok(())
}
