//! Several gateways on the same PostgreSQL and Redis, and where the processor time goes.

use std::net::SocketAddr;

use crate::Result;
use crate::client::Crowd;
use crate::gateway::{Gateway, Hashing};
use crate::load::{Load, Outcome, Pace, measure, precise};
use crate::process::Meter;
use crate::report::grouped;
use crate::scenarios::crowds::DEEDS;
use crate::stage::{Place, Scale, Servers, Stage};

const NODES: [usize; 3] = [1, 2, 4];

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    if !stage.places.contains(&Place::PostgresRedis) {
        return Err("nodes share a PostgreSQL and a Redis: not with --sqlite alone".into());
    }
    let site = stage.site(Place::PostgresRedis, Scale::Small)?;
    let servers = stage.servers()?.clone();
    let mut alone = [f64::NAN; DEEDS.len()];
    for nodes in NODES {
        let people = stage.people(&site, Scale::Small)?;
        let gateways = (0..nodes).map(|_| site.start(Hashing::Default));
        let gateways: Vec<Gateway> = gateways.collect::<Result<_>>()?;
        for ((deed, crowd), alone) in DEEDS.into_iter().zip(&mut alone) {
            let mut crowd = crowd(&people, stage.connections);
            let (outcome, cores) = put_on(stage, &servers, &gateways, &mut crowd)?;
            if nodes == 1 {
                *alone = outcome.per_second();
            }
            let mut cells = vec![
                deed.to_owned(),
                nodes.to_string(),
                grouped(outcome.per_second()),
                format!("{:.2}", outcome.per_second() / *alone),
                format!("{:.2}", precise(outcome.latencies.value_at_quantile(0.99)) / 1000.0),
            ];
            cells.extend(cores.map(|cores| format!("{cores:.2}")));
            stage.report.nodes(cells);
            stage.report.fail(&outcome.failures);
        }
    }
    Ok(())
}

/// The outcome, and how many cores were busy: with the gateways, PostgreSQL, Redis and the loader.
fn put_on(stage: &Stage, servers: &Servers, gateways: &[Gateway], crowd: &mut Crowd) -> Result<(Outcome, [f64; 4])> {
    let addresses: Vec<SocketAddr> = gateways.iter().map(|gateway| gateway.address).collect();
    let meters: Vec<Meter> = [servers.postgres.clone(), servers.redis.clone(), Meter::own()]
        .into_iter()
        .chain(gateways.iter().map(Gateway::meter))
        .collect();
    let load = Load {
        servers: &addresses,
        crowd,
        pace: Pace::Closed,
    };
    let mut measured = measure(
        vec![load],
        stage.pacing.costly.timing,
        &meters.iter().collect::<Vec<_>>(),
    )?;
    let outcome = measured.outcomes.pop().ok_or("a load has no outcome")?;
    let busy: Vec<f64> = measured
        .processor
        .iter()
        .map(|seconds| seconds / outcome.seconds)
        .collect();
    let [postgres, redis, loader, gateways @ ..] = busy.as_slice() else {
        return Err("a meter has no reading".into());
    };
    Ok((outcome, [gateways.iter().sum(), *postgres, *redis, *loader]))
}
