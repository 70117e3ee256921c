//! What the processor time of an answer consists of: of a bare handler, and of the gateway at each of its deeds.

use std::path::Path;

use crate::Result;
use crate::baseline::BareServer;
use crate::client::{Crowd, plain_request, reciters};
use crate::dataset::cheap_names;
use crate::gateway::{Hashing, Site};
use crate::load::{Load, Pace, Timing};
use crate::people::check;
use crate::process::Meter;
use crate::profile::{PARTS, Recording, Shares};
use crate::rounds::Series;
use crate::scenarios::crowds::DEEDS;
use crate::stage::{Scale, Stage, alone};

/// In microseconds of an answer, and the share of each part.
struct Account {
    processor_per_answer: f64,
    shares: Shares,
}

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        divide(stage, &site)?;
    }
    Ok(())
}

fn divide(stage: &mut Stage, site: &Site) -> Result<()> {
    let people = stage.people(site, Scale::Small)?;
    let gateway = site.start(Hashing::Default)?;
    let sizes = check(gateway.address, &cheap_names(1).collect::<String>())?;
    let bare = BareServer::start(&stage.own, sizes, None)?;
    let many = stage.connections;
    let mut accounts = vec![account(
        stage,
        site,
        &[bare.address],
        &bare.meter(),
        reciters(vec![plain_request("/me"); many], many),
    )?];
    let (servers, [meter]) = alone(&gateway);
    for (_, crowd) in DEEDS {
        accounts.push(account(stage, site, &servers, &meter, crowd(&people, many))?);
    }
    for part in PARTS {
        let mut cells = vec![site.name.to_owned(), part.to_owned()];
        cells.extend(
            accounts
                .iter()
                .map(|account| shown(account, account.shares.get(part).copied())),
        );
        stage.report.profile(cells);
    }
    let mut sums = vec![site.name.to_owned(), "all of it".to_owned()];
    sums.extend(accounts.iter().map(|account| shown(account, Some(1.0))));
    stage.report.profile(sums);
    Ok(())
}

fn account(
    stage: &mut Stage,
    site: &Site,
    servers: &[std::net::SocketAddr],
    meter: &Meter,
    mut crowd: Crowd,
) -> Result<Account> {
    let Timing { warm_up, counted } = stage.pacing.costly.timing;
    let recording = Recording::start(meter, warm_up + counted, Path::new(&site.folder))?;
    let load = Load {
        servers,
        crowd: &mut crowd,
        pace: Pace::Closed,
    };
    let measured = crate::load::measure(vec![load], stage.pacing.costly.timing, &[meter])?;
    let seconds = measured.processor.iter().sum();
    let rounds: Vec<_> = measured
        .outcomes
        .into_iter()
        .map(|outcome| (outcome, seconds))
        .collect();
    let series = Series::of(&rounds)?;
    stage.report.fail(&series.failures);
    Ok(Account {
        processor_per_answer: series.processor_per_answer,
        shares: recording.shares()?,
    })
}

fn shown(account: &Account, share: Option<f64>) -> String {
    share.map_or(String::new(), |share| {
        format!("{:.1}", share * account.processor_per_answer)
    })
}
