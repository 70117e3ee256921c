//! Compares `me` on both APIs with a bare handler.

use crate::Result;
use crate::baseline::BareServer;
use crate::client::{plain_request, repeating_clients};
use crate::dataset::cheap_hash_usernames;
use crate::environment::{Backend, Environment, Scale, servers_and_meters};
use crate::gateway::{Deployment, Hashing};
use crate::report::{Bound, Ratio};
use crate::scenarios::exactly;
use crate::scenarios::operations::{graphql_me, rest_me};
use crate::series::{Series, Target, measure_interleaved};
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
    let bare = BareServer::start(&env.this_program, sizes, None)?;
    let (servers, meters) = servers_and_meters(&gateway);
    let (bare_servers, bare_meters) = ([bare.address], [bare.meter()]);
    let many = env.connections;
    let mut targets = [
        Target {
            servers: &bare_servers,
            meters: &bare_meters,
            clients: repeating_clients(vec![plain_request("/me"); many], many),
        },
        Target {
            servers: &servers,
            meters: &meters,
            clients: rest_me(&users, many),
        },
        Target {
            servers: &servers,
            meters: &meters,
            clients: graphql_me(&users, many),
        },
    ];
    let [bare, rest, graphql] = exactly(measure_interleaved(&mut targets, env.schedule.fast)?)?;
    let ratio = |series: &Series, bound| Ratio {
        to: "the bare handler",
        stats: series.against(&bare),
        bound,
    };
    let rest_bound = (backend == Backend::PostgresRedis).then_some(Bound::AtLeast(0.60));
    env.report.load("a bare axum handler", deployment.name, &bare, None);
    env.report
        .load("`me`, REST", deployment.name, &rest, Some(&ratio(&rest, rest_bound)));
    let graphql_ratio = ratio(&graphql, Some(Bound::AtLeast(0.50)));
    env.report
        .load("`me`, GraphQL", deployment.name, &graphql, Some(&graphql_ratio));
    Ok(())
}
