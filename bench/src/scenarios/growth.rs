//! Runs the same loads on a thousand and on a million accounts, and measures the size of rows and
//! sessions.

use std::fs;

use redis::aio::MultiplexedConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use crate::Result;
use crate::client::Clients;
use crate::dataset::cheap_hash_usernames;
use crate::environment::{Backend, Environment, Scale, servers_and_meters};
use crate::gateway::{Deployment, Gateway, Hashing};
use crate::load::to_f64;
use crate::report::{Bound, grouped};
use crate::scenarios::exactly;
use crate::scenarios::operations::{LOGIN, OPERATIONS};
use crate::series::{Target, measure_interleaved};
use crate::users::{User, check, request_me_once};

pub(super) fn run(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let (small, large) = (
            env.deployment(backend, Scale::Small)?,
            env.deployment(backend, Scale::Large)?,
        );
        measure_row_size(env, backend, &large)?;
        let users = [env.users(&small, Scale::Small)?, env.users(&large, Scale::Large)?];
        let gateways = [small.start(Hashing::Default)?, large.start(Hashing::Default)?];
        if backend == Backend::PostgresRedis {
            measure_redis_session_size(env, &gateways[1], &users[1])?;
        }
        for gateway in &gateways {
            check(gateway.address, &cheap_hash_usernames(1).collect::<String>())?;
        }
        for (name, make_clients) in OPERATIONS {
            let client_sets = users.each_ref().map(|users| make_clients(users, env.connections));
            compare(env, backend, &gateways, (name, client_sets))?;
        }
    }
    Ok(())
}

fn compare(
    env: &mut Environment,
    backend: Backend,
    gateways: &[Gateway; 2],
    (name, [few, many]): (&str, [Clients; 2]),
) -> Result<()> {
    let [(small, small_meters), (large, large_meters)] =
        [servers_and_meters(&gateways[0]), servers_and_meters(&gateways[1])];
    let mut targets = [
        Target {
            servers: &small,
            meters: &small_meters,
            clients: few,
        },
        Target {
            servers: &large,
            meters: &large_meters,
            clients: many,
        },
    ];
    let options = if name == LOGIN {
        env.schedule.slow
    } else {
        env.schedule.fast
    };
    let [small, large] = exactly(measure_interleaved(&mut targets, options)?)?;
    let accounts = grouped(to_f64(env.size(Scale::Large).accounts));
    let what = format!("{name}, {accounts} accounts");
    env.report.fail(&small.failures);
    env.report.load(&what, backend.name(), &large, None);
    env.report.ratio(
        &format!("{what} ÷ {}", grouped(to_f64(env.size(Scale::Small).accounts))),
        backend.name(),
        large.against(&small),
        Some(Bound::AtLeast(0.90)),
    );
    Ok(())
}

fn measure_row_size(env: &mut Environment, backend: Backend, deployment: &Deployment) -> Result<()> {
    let accounts = to_f64(env.size(Scale::Large).accounts);
    if let Some(file) = deployment.database_url.strip_prefix("sqlite://") {
        let bytes = to_f64(fs::metadata(file)?.len()) / accounts;
        let what = "bytes on disk for an account with two sessions, indexes included";
        env.report.figure(what, backend.name(), grouped(bytes), None);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (table, what) in [("accounts", "an account"), ("sessions", "a session")] {
        let bytes = runtime.block_on(bytes_per_row(&deployment.database_url, table))?;
        let what = format!("bytes on disk for {what}, indexes included");
        env.report.figure(&what, backend.name(), grouped(bytes), None);
    }
    Ok(())
}

async fn bytes_per_row(url: &str, table: &'static str) -> Result<f64> {
    let mut connection = PgConnection::connect(url).await?;
    let statement = match table {
        "accounts" => "SELECT pg_total_relation_size('accounts') / count(*)::float8 FROM accounts",
        _ => "SELECT pg_total_relation_size('sessions') / count(*)::float8 FROM sessions",
    };
    Ok(sqlx::query(statement).fetch_one(&mut connection).await?.try_get(0)?)
}

/// Memory of Redis per session that has been used once.
fn measure_redis_session_size(env: &mut Environment, gateway: &Gateway, users: &[User]) -> Result<()> {
    let url = env.servers()?.redis_url.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut redis = runtime.block_on(async { redis::Client::open(url)?.get_multiplexed_async_connection().await })?;
    let before = runtime.block_on(memory_and_keys(&mut redis))?;
    request_me_once(gateway.address, users)?;
    let after = runtime.block_on(memory_and_keys(&mut redis))?;
    let bytes = (after.0 - before.0) / (after.1 - before.1);
    let what = format!("bytes of Redis for a session, over {} of them", users.len());
    let backend = Backend::PostgresRedis.name();
    env.report.figure(&what, backend, grouped(bytes), None);
    Ok(())
}

/// The memory that Redis uses, in bytes, and its number of keys.
async fn memory_and_keys(redis: &mut MultiplexedConnection) -> Result<(f64, f64)> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(redis).await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(redis).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.ok_or("INFO of Redis has no used_memory")?.trim().parse()?;
    Ok((to_f64(used), to_f64(keys)))
}
