//! The same loads on a thousand accounts and on a million, in turn, and what a row and a session take.

use std::fs;

use redis::aio::MultiplexedConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use crate::Result;
use crate::client::Crowd;
use crate::dataset::cheap_names;
use crate::gateway::{Gateway, Hashing, Site};
use crate::load::precise;
use crate::people::{Person, check, meet};
use crate::report::{Bound, grouped};
use crate::rounds::{Contestant, in_turn};
use crate::scenarios::crowds::{DEEDS, LOGIN};
use crate::scenarios::take;
use crate::stage::{Place, Scale, Stage, alone};

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let (small, large) = (stage.site(place, Scale::Small)?, stage.site(place, Scale::Large)?);
        weigh_rows(stage, place, &large)?;
        let people = [stage.people(&small, Scale::Small)?, stage.people(&large, Scale::Large)?];
        let gateways = [small.start(Hashing::Default)?, large.start(Hashing::Default)?];
        if place == Place::PostgresRedis {
            weigh_sessions(stage, &gateways[1], &people[1])?;
        }
        for gateway in &gateways {
            check(gateway.address, &cheap_names(1).collect::<String>())?;
        }
        for (name, deed) in DEEDS {
            let crowds = people.each_ref().map(|people| deed(people, stage.connections));
            compare(stage, place, &gateways, (name, crowds))?;
        }
    }
    Ok(())
}

fn compare(
    stage: &mut Stage,
    place: Place,
    gateways: &[Gateway; 2],
    (name, [few, many]): (&str, [Crowd; 2]),
) -> Result<()> {
    let [(small, small_meters), (large, large_meters)] = [alone(&gateways[0]), alone(&gateways[1])];
    let mut contestants = [
        Contestant {
            servers: &small,
            meters: &small_meters,
            crowd: few,
        },
        Contestant {
            servers: &large,
            meters: &large_meters,
            crowd: many,
        },
    ];
    let turns = if name == LOGIN {
        stage.pacing.costly
    } else {
        stage.pacing.cheap
    };
    let [small, large] = take(in_turn(&mut contestants, turns)?)?;
    let accounts = grouped(precise(stage.size(Scale::Large).accounts));
    let what = format!("{name}, {accounts} accounts");
    stage.report.fail(&small.failures);
    stage.report.load(&what, place.name(), &large, None);
    stage.report.ratio(
        &format!("{what} ÷ {}", grouped(precise(stage.size(Scale::Small).accounts))),
        place.name(),
        large.against(&small),
        Some(Bound::AtLeast(0.90)),
    );
    Ok(())
}

fn weigh_rows(stage: &mut Stage, place: Place, site: &Site) -> Result<()> {
    let accounts = precise(stage.size(Scale::Large).accounts);
    if let Some(file) = site.database_url.strip_prefix("sqlite://") {
        let bytes = precise(fs::metadata(file)?.len()) / accounts;
        let what = "bytes on disk for an account with two sessions, indexes included";
        stage.report.figure(what, place.name(), grouped(bytes), None);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (table, what) in [("accounts", "an account"), ("sessions", "a session")] {
        let bytes = runtime.block_on(bytes_per_row(&site.database_url, table))?;
        let what = format!("bytes on disk for {what}, indexes included");
        stage.report.figure(&what, place.name(), grouped(bytes), None);
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

/// What Redis takes for each session that has been used once.
fn weigh_sessions(stage: &mut Stage, gateway: &Gateway, people: &[Person]) -> Result<()> {
    let url = stage.servers()?.redis_url.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut redis = runtime.block_on(async { redis::Client::open(url)?.get_multiplexed_async_connection().await })?;
    let before = runtime.block_on(contents(&mut redis))?;
    meet(gateway.address, people)?;
    let after = runtime.block_on(contents(&mut redis))?;
    let bytes = (after.0 - before.0) / (after.1 - before.1);
    let what = format!("bytes of Redis for a session, over {} of them", people.len());
    let place = Place::PostgresRedis.name();
    stage.report.figure(&what, place, grouped(bytes), None);
    Ok(())
}

/// Bytes that Redis uses, and its keys.
async fn contents(redis: &mut MultiplexedConnection) -> Result<(f64, f64)> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(redis).await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(redis).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used
        .ok_or("Redis does not say how much memory it uses")?
        .trim()
        .parse()?;
    Ok((precise(used), precise(keys)))
}
