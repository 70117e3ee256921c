//! Renewals, each person's own session again and again, against one script in Redis behind the same kind of server.

use crate::Result;
use crate::baseline::BareServer;
use crate::client::{reciters, refresh_request};
use crate::dataset::cheap_names;
use crate::gateway::{Hashing, Site};
use crate::people::check;
use crate::report::{Bound, Ratio};
use crate::rounds::{Contestant, in_turn};
use crate::scenarios::crowds::refresh;
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
    // On SQLite there is no script to compare with: the bare handler answers at once.
    let bare = BareServer::start(&stage.own, sizes, site.redis_url.as_deref())?;
    let (servers, meters) = alone(&gateway);
    let (bare_servers, bare_meters) = ([bare.address], [bare.meter()]);
    let asked = people
        .iter()
        .map(|person| refresh_request("/refresh", &person.refresh_token))
        .collect();
    let mut contestants = [
        Contestant {
            servers: &bare_servers,
            meters: &bare_meters,
            crowd: reciters(asked, stage.connections),
        },
        Contestant {
            servers: &servers,
            meters: &meters,
            crowd: refresh(&people, stage.connections),
        },
    ];
    let [bare, renewals] = take(in_turn(&mut contestants, stage.pacing.cheap)?)?;
    let spread = renewals.against(&bare);
    let (name, bound) = match place {
        Place::Sqlite => ("a bare handler", None),
        Place::PostgresRedis => ("a bare Redis script behind HTTP", Some(Bound::AtLeast(0.50))),
    };
    stage.report.load(
        &format!("{name}, answers as large as those of refresh"),
        site.name,
        &bare,
        None,
    );
    let ratio = Ratio {
        to: name,
        spread,
        bound,
    };
    stage.report.load("refresh, REST", site.name, &renewals, Some(&ratio));
    Ok(())
}
