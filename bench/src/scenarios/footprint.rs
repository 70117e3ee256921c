//! How soon a gateway serves, and how much memory it takes.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::dataset::DEFAULT;
use crate::gateway::{Gateway, Hashing, Site};
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

/// A gateway that nobody asks anything.
fn at_rest(site: &Site) -> Result<Gateway> {
    let gateway = site.start(Hashing::Default)?;
    thread::sleep(REST);
    Ok(gateway)
}

fn weigh(stage: &mut Stage, site: &Site) -> Result<()> {
    // Of a file that has just been built the kernel maps more at once than of one that it has read from the disk.
    let as_held = at_rest(site)?.meter().memory()?;
    site.drop_cached_program()?;
    let gateway = at_rest(site)?;
    let (idle, own) = (gateway.meter().memory()?, gateway.meter().own_memory()?);
    for (what, memory, bound) in [
        ("memory at rest, in MiB", idle, Some(Bound::AtMost(MEMORY))),
        ("of that, what is no page of a file, in MiB", own, None),
        (
            "memory at rest, the file as the kernel held it before, in MiB",
            as_held,
            None,
        ),
    ] {
        let bound = bound.map(|bound| (memory, bound));
        stage.report.figure(what, site.name, format!("{memory:.1}"), bound);
    }
    let program = precise(fs::metadata(&site.program)?.len()) / 1024.0 / 1024.0;
    stage
        .report
        .figure("the program's file, in MiB", site.name, format!("{program:.1}"), None);
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
