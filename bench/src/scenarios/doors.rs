//! `me` at both doors, against a handler that answers at once.

use crate::Result;
use crate::baseline::BareServer;
use crate::client::{plain_request, reciters};
use crate::dataset::cheap_names;
use crate::gateway::{Hashing, Site};
use crate::people::check;
use crate::report::{Bound, Ratio};
use crate::rounds::{Contestant, Series, in_turn};
use crate::scenarios::crowds::{graphql_me, rest_me};
use crate::scenarios::take;
use crate::stage::{Place, Scale, Stage, alone};

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        compare(stage, place, &site)?;
    }
    Ok(())
}

fn compare(stage: &mut Stage, place: Place, site: &Site) -> Result<()> {
    let people = stage.people(site, Scale::Small)?;
    let gateway = site.start(Hashing::Cheap)?;
    let sizes = check(gateway.address, &cheap_names(1).collect::<String>())?;
    let bare = BareServer::start(&stage.own, sizes, None)?;
    let (servers, meters) = alone(&gateway);
    let (bare_servers, bare_meters) = ([bare.address], [bare.meter()]);
    let many = stage.connections;
    let mut contestants = [
        Contestant {
            servers: &bare_servers,
            meters: &bare_meters,
            crowd: reciters(vec![plain_request("/me"); many], many),
        },
        Contestant {
            servers: &servers,
            meters: &meters,
            crowd: rest_me(&people, many),
        },
        Contestant {
            servers: &servers,
            meters: &meters,
            crowd: graphql_me(&people, many),
        },
    ];
    let [bare, rest, graphql] = take(in_turn(&mut contestants, stage.pacing.cheap)?)?;
    let ratio = |series: &Series, bound| Ratio {
        to: "the bare handler",
        spread: series.against(&bare),
        bound,
    };
    let rest_bound = (place == Place::PostgresRedis).then_some(Bound::AtLeast(0.60));
    stage.report.load("a bare axum handler", site.name, &bare, None);
    stage
        .report
        .load("`me`, REST", site.name, &rest, Some(&ratio(&rest, rest_bound)));
    let graphql_ratio = ratio(&graphql, Some(Bound::AtLeast(0.50)));
    stage
        .report
        .load("`me`, GraphQL", site.name, &graphql, Some(&graphql_ratio));
    Ok(())
}
