//! How soon a gateway serves, and how much memory it takes.

use std::thread;
use std::time::Duration;

use crate::Result;
use crate::dataset::DEFAULT;
use crate::gateway::{Hashing, Site};
use crate::load::{Load, Pace, measure, precise};
use crate::report::Bound;
use crate::rounds::Spread;
use crate::scenarios::crowds::login;
use crate::stage::{Scale, Stage};

/// What a start may take, in milliseconds.
const START: f64 = 50.0;
/// What the gateway may take beside the memory of its hashes, at rest and for its requests each, in MiB.
const MEMORY: f64 = 20.0;
/// By then a start has given back what it had needed.
const REST: Duration = Duration::from_secs(2);

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        start_again_and_again(stage, &site)?;
        weigh(stage, &site)?;
    }
    Ok(())
}

fn start_again_and_again(stage: &mut Stage, site: &Site) -> Result<()> {
    let starts = (0..stage.pacing.starts).map(|_| Ok(site.start(Hashing::Default)?.started_in.as_secs_f64() * 1000.0));
    let Spread { median, least, most } = Spread::of(&starts.collect::<Result<Vec<f64>>>()?);
    stage.report.figure(
        "start to the first 200 of `/readyz`, in ms",
        site.name,
        format!("{median:.1} ({least:.1} to {most:.1})"),
        Some((median, Bound::AtMost(START))),
    );
    Ok(())
}

fn weigh(stage: &mut Stage, site: &Site) -> Result<()> {
    // Of a file that has just been built the kernel maps more at once than of one that it has read.
    site.drop_cached_program()?;
    let gateway = site.start(Hashing::Default)?;
    thread::sleep(REST);
    let (idle, own) = (gateway.meter().memory()?, gateway.meter().own_memory()?);
    stage.report.figure(
        "memory at rest, in MiB",
        site.name,
        format!("{idle:.1}"),
        Some((idle, Bound::AtMost(MEMORY))),
    );
    stage.report.figure(
        "of that, without the pages of files, in MiB",
        site.name,
        format!("{own:.1}"),
        None,
    );
    let mut crowd = login(stage.active(Scale::Small), stage.connections);
    let load = Load {
        servers: &[gateway.address],
        crowd: &mut crowd,
        pace: Pace::Closed,
    };
    for outcome in measure(vec![load], stage.pacing.costly.timing, &[])?.outcomes {
        stage.report.fail(&outcome.failures);
    }
    let peak = gateway.meter().peak_memory()?;
    let threads = precise(thread::available_parallelism()?.get() as u64);
    let bound = MEMORY + threads * f64::from(DEFAULT.0) / 1024.0 + MEMORY;
    stage.report.figure(
        &format!(
            "most memory under a flood of logins over {} connections, in MiB",
            stage.connections
        ),
        site.name,
        format!("{peak:.1}"),
        Some((peak, Bound::AtMost(bound))),
    );
    Ok(())
}
