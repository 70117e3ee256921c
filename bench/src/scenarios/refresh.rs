//! Compares refreshes with one Redis script behind a bare handler. Each user refreshes the same
//! session again and again.

use crate::Result;
use crate::baseline::BareServer;
use crate::client::{refresh_request, repeating_clients};
use crate::dataset::cheap_hash_usernames;
use crate::environment::{Backend, Environment, Scale, servers_and_meters};
use crate::gateway::{Deployment, Hashing};
use crate::report::{Bound, Ratio};
use crate::scenarios::exactly;
use crate::scenarios::operations::refresh;
use crate::series::{Target, measure_interleaved};
use crate::users::check;

pub(super) fn run(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        compare(env, backend, &deployment)?;
    }
    Ok(())
}

fn compare(env: &mut Environment, backend: Backend, deployment: &Deployment) -> Result<()> {
    let users = env.users(deployment, Scale::Small)?;
    let gateway = deployment.start(Hashing::Cheap)?;
    let sizes = check(gateway.address, &cheap_hash_usernames(1).collect::<String>())?;
    // On SQLite the bare handler answers at once, since there is no Redis for the script.
    let bare = BareServer::start(&env.this_program, sizes, deployment.redis_url.as_deref())?;
    let (servers, meters) = servers_and_meters(&gateway);
    let (bare_servers, bare_meters) = ([bare.address], [bare.meter()]);
    let requests = users
        .iter()
        .map(|user| refresh_request("/refresh", &user.refresh_token))
        .collect();
    let mut targets = [
        Target {
            servers: &bare_servers,
            meters: &bare_meters,
            clients: repeating_clients(requests, env.connections),
        },
        Target {
            servers: &servers,
            meters: &meters,
            clients: refresh(&users, env.connections),
        },
    ];
    let [bare, refreshes] = exactly(measure_interleaved(&mut targets, env.schedule.fast)?)?;
    let stats = refreshes.against(&bare);
    let (name, bound) = match backend {
        Backend::Sqlite => ("a bare handler", None),
        Backend::PostgresRedis => ("a bare Redis script behind HTTP", Some(Bound::AtLeast(0.50))),
    };
    env.report.load(
        &format!("{name}, with responses as large as those of refresh"),
        deployment.name,
        &bare,
        None,
    );
    let ratio = Ratio { to: name, stats, bound };
    env.report
        .load("refresh, REST", deployment.name, &refreshes, Some(&ratio));
    Ok(())
}
