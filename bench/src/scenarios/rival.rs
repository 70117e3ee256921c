//! Another build of the gateway, in turn with this one: whether a change made it faster. Both stand on one database, so their schema must
//! be the same.

use std::path::Path;

use crate::Result;
use crate::environment::{Environment, Scale, servers_and_meters};
use crate::gateway::{Deployment, Hashing};
use crate::report::Ratio;
use crate::scenarios::exactly;
use crate::scenarios::operations::{LOGIN, OPERATIONS};
use crate::series::{Target, measure_interleaved};

pub(super) fn run(env: &mut Environment) -> Result<()> {
    let rival = env
        .rival
        .clone()
        .ok_or("which build to compare with is for --rival to say")?;
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        compare(env, &deployment, &rival)?;
    }
    Ok(())
}

fn compare(env: &mut Environment, deployment: &Deployment, rival: &Path) -> Result<()> {
    let theirs = Deployment {
        program: rival.to_owned(),
        // What one build holds in Redis is not for the other to read.
        redis_url: deployment
            .redis_url
            .as_ref()
            .map(|url| format!("{}/1", url.trim_end_matches('/'))),
        ..deployment.clone()
    };
    // Sessions of their own: each renewal makes the token before it an old one.
    let (our_users, their_users) = (env.users(deployment, Scale::Small)?, env.users(&theirs, Scale::Small)?);
    let (our_gateway, their_gateway) = (deployment.start(Hashing::Cheap)?, theirs.start(Hashing::Cheap)?);
    let ((our_servers, our_meters), (their_servers, their_meters)) =
        (servers_and_meters(&our_gateway), servers_and_meters(&their_gateway));
    for (operation, make_clients) in OPERATIONS.into_iter().filter(|(operation, _)| *operation != LOGIN) {
        let mut targets = [
            Target {
                servers: &their_servers,
                meters: &their_meters,
                clients: make_clients(&their_users, env.connections),
            },
            Target {
                servers: &our_servers,
                meters: &our_meters,
                clients: make_clients(&our_users, env.connections),
            },
        ];
        let [their_series, our_series] = exactly(measure_interleaved(&mut targets, env.schedule.fast)?)?;
        let ratio = Ratio {
            to: "the other build",
            stats: our_series.against(&their_series),
            bound: None,
        };
        env.report.load(
            &format!("{operation}, the other build"),
            deployment.name,
            &their_series,
            None,
        );
        env.report.load(operation, deployment.name, &our_series, Some(&ratio));
    }
    Ok(())
}
