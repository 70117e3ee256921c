//! Breaks down the CPU time of a response, for a bare handler and for each operation of the
//! gateway.

use std::path::Path;

use crate::Result;
use crate::baseline::BareServer;
use crate::client::{Clients, plain_request, repeating_clients};
use crate::dataset::cheap_hash_usernames;
use crate::environment::{Environment, Scale, servers_and_meters};
use crate::gateway::{Deployment, Hashing};
use crate::load::{Load, Pace, Timing};
use crate::process::Meter;
use crate::profile::{CATEGORIES, Recording, Shares};
use crate::scenarios::operations::OPERATIONS;
use crate::series::Series;
use crate::users::check;

/// The CPU time of a response in microseconds, and the share of each category.
struct Breakdown {
    cpu_per_response: f64,
    shares: Shares,
}

pub(super) fn run(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        break_down(env, &deployment)?;
    }
    Ok(())
}

fn break_down(env: &mut Environment, deployment: &Deployment) -> Result<()> {
    let users = env.users(deployment, Scale::Small)?;
    let gateway = deployment.start(Hashing::Default)?;
    let sizes = check(gateway.address, &cheap_hash_usernames(1).collect::<String>())?;
    let bare = BareServer::start(&env.this_program, sizes, None)?;
    let many = env.connections;
    let mut breakdowns = vec![record_breakdown(
        env,
        deployment,
        &[bare.address],
        &bare.meter(),
        repeating_clients(vec![plain_request("/me"); many], many),
    )?];
    let (servers, [meter]) = servers_and_meters(&gateway);
    for (_, make_clients) in OPERATIONS {
        breakdowns.push(record_breakdown(
            env,
            deployment,
            &servers,
            &meter,
            make_clients(&users, many),
        )?);
    }
    for category in CATEGORIES {
        let mut cells = vec![deployment.name.to_owned(), category.to_owned()];
        cells.extend(
            breakdowns
                .iter()
                .map(|breakdown| format_share(breakdown, breakdown.shares.get(category).copied())),
        );
        env.report.profile(cells);
    }
    let mut sums = vec![deployment.name.to_owned(), "all of it".to_owned()];
    sums.extend(breakdowns.iter().map(|breakdown| format_share(breakdown, Some(1.0))));
    env.report.profile(sums);
    Ok(())
}

fn record_breakdown(
    env: &mut Environment,
    deployment: &Deployment,
    servers: &[std::net::SocketAddr],
    meter: &Meter,
    mut clients: Clients,
) -> Result<Breakdown> {
    let Timing { warm_up, counted } = env.schedule.slow.timing;
    let recording = Recording::start(meter, warm_up + counted, Path::new(&deployment.folder))?;
    let load = Load {
        servers,
        clients: &mut clients,
        pace: Pace::ClosedLoop,
    };
    let measured = crate::load::measure(vec![load], env.schedule.slow.timing, &[meter])?;
    let seconds = measured.cpu_seconds.iter().sum();
    let rounds: Vec<_> = measured
        .outcomes
        .into_iter()
        .map(|outcome| (outcome, seconds))
        .collect();
    let series = Series::of(&rounds)?;
    env.report.fail(&series.failures);
    Ok(Breakdown {
        cpu_per_response: series.cpu_per_response,
        shares: recording.shares()?,
    })
}

fn format_share(breakdown: &Breakdown, share: Option<f64>) -> String {
    share.map_or(String::new(), |share| {
        format!("{:.1}", share * breakdown.cpu_per_response)
    })
}
