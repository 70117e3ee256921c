//! Compares this build with another build of the gateway, to see whether a change made it faster.
//! Both use the same database, so they must have the same schema.

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
        .ok_or("--rival names the other build: it is missing")?;
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        compare(env, &deployment, &rival)?;
    }
    Ok(())
}

fn compare(env: &mut Environment, deployment: &Deployment, other_program: &Path) -> Result<()> {
    let other = Deployment {
        program: other_program.to_owned(),
        // The builds use different Redis databases, so that neither reads the other's keys.
        redis_url: deployment
            .redis_url
            .as_ref()
            .map(|url| format!("{}/1", url.trim_end_matches('/'))),
        ..deployment.clone()
    };
    // The builds use different sessions: a refresh by one would outdate the token that the other
    // holds.
    let (this_users, other_users) = (env.users(deployment, Scale::Small)?, env.users(&other, Scale::Small)?);
    let (this_gateway, other_gateway) = (deployment.start(Hashing::Cheap)?, other.start(Hashing::Cheap)?);
    let ((this_servers, this_meters), (other_servers, other_meters)) =
        (servers_and_meters(&this_gateway), servers_and_meters(&other_gateway));
    for (operation, make_clients) in OPERATIONS.into_iter().filter(|(operation, _)| *operation != LOGIN) {
        let mut targets = [
            Target {
                servers: &other_servers,
                meters: &other_meters,
                clients: make_clients(&other_users, env.connections),
            },
            Target {
                servers: &this_servers,
                meters: &this_meters,
                clients: make_clients(&this_users, env.connections),
            },
        ];
        let [other_series, this_series] = exactly(measure_interleaved(&mut targets, env.schedule.fast)?)?;
        let ratio = Ratio {
            to: "the other build",
            stats: this_series.against(&other_series),
            bound: None,
        };
        env.report.load(
            &format!("{operation}, the other build"),
            deployment.name,
            &other_series,
            None,
        );
        env.report.load(operation, deployment.name, &this_series, Some(&ratio));
    }
    Ok(())
}
