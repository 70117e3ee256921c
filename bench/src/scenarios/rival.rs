//! Another build of the gateway, in turn with this one: whether a change made it faster. Both stand on one database, so their schema must
//! be the same.

use std::path::Path;

use crate::Result;
use crate::gateway::{Hashing, Site};
use crate::report::Ratio;
use crate::rounds::{Contestant, in_turn};
use crate::scenarios::crowds::{DEEDS, LOGIN};
use crate::scenarios::take;
use crate::stage::{Scale, Stage, alone};

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    let rival = stage
        .rival
        .clone()
        .ok_or("which build to compare with is for --rival to say")?;
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        compare(stage, &site, &rival)?;
    }
    Ok(())
}

fn compare(stage: &mut Stage, site: &Site, rival: &Path) -> Result<()> {
    let theirs = Site {
        program: rival.to_owned(),
        // What one build holds in Redis is not for the other to read.
        redis_url: site
            .redis_url
            .as_ref()
            .map(|url| format!("{}/1", url.trim_end_matches('/'))),
        ..site.clone()
    };
    // Sessions of their own: each renewal makes the token before it an old one.
    let (our_people, their_people) = (stage.people(site, Scale::Small)?, stage.people(&theirs, Scale::Small)?);
    let (our_gateway, their_gateway) = (site.start(Hashing::Cheap)?, theirs.start(Hashing::Cheap)?);
    let ((our_servers, our_meters), (their_servers, their_meters)) = (alone(&our_gateway), alone(&their_gateway));
    for (deed, crowd) in DEEDS.into_iter().filter(|(deed, _)| *deed != LOGIN) {
        let mut contestants = [
            Contestant {
                servers: &their_servers,
                meters: &their_meters,
                crowd: crowd(&their_people, stage.connections),
            },
            Contestant {
                servers: &our_servers,
                meters: &our_meters,
                crowd: crowd(&our_people, stage.connections),
            },
        ];
        let [their_series, our_series] = take(in_turn(&mut contestants, stage.pacing.cheap)?)?;
        let ratio = Ratio {
            to: "the other build",
            spread: our_series.against(&their_series),
            bound: None,
        };
        stage
            .report
            .load(&format!("{deed}, the other build"), site.name, &their_series, None);
        stage.report.load(deed, site.name, &our_series, Some(&ratio));
    }
    Ok(())
}
