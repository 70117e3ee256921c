//! Measures several gateways on the same PostgreSQL and Redis, and where the CPU time goes.

use std::net::SocketAddr;

use crate::Result;
use crate::client::Clients;
use crate::environment::{Backend, Environment, Scale, Servers};
use crate::gateway::{Gateway, Hashing};
use crate::load::{Load, Outcome, Pace, measure, to_f64};
use crate::process::Meter;
use crate::report::grouped;
use crate::scenarios::operations::OPERATIONS;

const NODES: [usize; 3] = [1, 2, 4];

pub(super) fn run(env: &mut Environment) -> Result<()> {
    if !env.backends.contains(&Backend::PostgresRedis) {
        return Err("nodes share a PostgreSQL and a Redis: not with --sqlite alone".into());
    }
    let deployment = env.deployment(Backend::PostgresRedis, Scale::Small)?;
    let servers = env.servers()?.clone();
    let mut one_node_rates = [f64::NAN; OPERATIONS.len()];
    for nodes in NODES {
        let users = env.users(&deployment, Scale::Small)?;
        let gateways = (0..nodes).map(|_| deployment.start(Hashing::Default));
        let gateways: Vec<Gateway> = gateways.collect::<Result<_>>()?;
        for ((operation, make_clients), one_node) in OPERATIONS.into_iter().zip(&mut one_node_rates) {
            let mut clients = make_clients(&users, env.connections);
            let (outcome, cores) = run_load(env, &servers, &gateways, &mut clients)?;
            if nodes == 1 {
                *one_node = outcome.per_second();
            }
            let mut cells = vec![
                operation.to_owned(),
                nodes.to_string(),
                grouped(outcome.per_second()),
                format!("{:.2}", outcome.per_second() / *one_node),
                format!("{:.2}", to_f64(outcome.latencies.value_at_quantile(0.99)) / 1000.0),
            ];
            cells.extend(cores.map(|cores| format!("{cores:.2}")));
            env.report.nodes(cells);
            env.report.fail(&outcome.failures);
        }
    }
    Ok(())
}

/// Returns the outcome and the number of busy cores of the gateways, PostgreSQL, Redis and the
/// loader.
fn run_load(
    env: &Environment,
    servers: &Servers,
    gateways: &[Gateway],
    clients: &mut Clients,
) -> Result<(Outcome, [f64; 4])> {
    let addresses: Vec<SocketAddr> = gateways.iter().map(|gateway| gateway.address).collect();
    let meters: Vec<Meter> = [servers.postgres.clone(), servers.redis.clone(), Meter::own()]
        .into_iter()
        .chain(gateways.iter().map(Gateway::meter))
        .collect();
    let load = Load {
        servers: &addresses,
        clients,
        pace: Pace::ClosedLoop,
    };
    let mut measured = measure(vec![load], env.schedule.slow.timing, &meters.iter().collect::<Vec<_>>())?;
    let outcome = measured.outcomes.pop().ok_or("a load has no outcome")?;
    let busy: Vec<f64> = measured
        .cpu_seconds
        .iter()
        .map(|seconds| seconds / outcome.seconds)
        .collect();
    let [postgres, redis, loader, gateways @ ..] = busy.as_slice() else {
        return Err("a meter has no reading".into());
    };
    Ok((outcome, [gateways.iter().sum(), *postgres, *redis, *loader]))
}
