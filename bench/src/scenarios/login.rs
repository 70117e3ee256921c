//! Logins, against the hash that each of them makes.

use std::thread;

use crate::baseline::{Code, bare_hashes_per_second};
use crate::gateway::{Hashing, Site};
use crate::load::{Load, Pace, measure};
use crate::report::{Bound, Ratio};
use crate::rounds::{Series, Spread};
use crate::scenarios::crowds::login;
use crate::stage::{Scale, Stage, alone};
use crate::{Result, report};

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        compare(stage, &site)?;
    }
    Ok(())
}

fn compare(stage: &mut Stage, site: &Site) -> Result<()> {
    let gateway = site.start(Hashing::Default)?;
    let (servers, meters) = alone(&gateway);
    let mut crowd = login(stage.active(Scale::Small), stage.connections);
    let (mut rounds, mut bare, mut by_crate) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..stage.pacing.costly.rounds {
        let hash = |code| bare_hashes_per_second(&stage.own, code, stage.pacing.costly.timing.counted);
        let is_hash_first = round % 2 == 0;
        if is_hash_first {
            bare.push(hash(Code::Fastest)?);
        }
        let load = Load {
            servers: &servers,
            crowd: &mut crowd,
            pace: Pace::Closed,
        };
        let measured = measure(vec![load], stage.pacing.costly.timing, &[&meters[0]])?;
        let seconds = measured.processor.iter().sum();
        rounds.extend(measured.outcomes.into_iter().map(|outcome| (outcome, seconds)));
        if !is_hash_first {
            bare.push(hash(Code::Fastest)?);
        }
        by_crate.push(hash(Code::Crate)?);
    }
    let logins = Series::of(&rounds)?;
    let ratios = logins.rates.iter().zip(&bare).map(|(logins, hashes)| logins / hashes);
    let ratio = Ratio {
        to: "bare hashing",
        spread: Spread::of(&ratios.collect::<Vec<f64>>()),
        bound: Some(Bound::AtLeast(0.95)),
    };
    stage.report.load("login, REST", site.name, &logins, Some(&ratio));
    let threads = thread::available_parallelism()?;
    for (who, rates) in [("", &bare), (", by the argon2 crate", &by_crate)] {
        let hashes = format!("{} a second", report::grouped(Spread::of(rates).median));
        let what = format!("bare argon2id hashing on {threads} threads{who}");
        stage.report.figure(&what, site.name, hashes, None);
    }
    Ok(())
}
