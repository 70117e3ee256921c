//! `me` while others flood login: how late its answers come, and how many logins there are beside it.

use crate::baseline::BareHashing;
use crate::client::Crowd;
use crate::gateway::{Gateway, Hashing, Site};
use crate::load::{Load, Outcome, Pace, Timing, measure, precise};
use crate::people::Person;
use crate::report::{Bound, Report};
use crate::rounds::Spread;
use crate::scenarios::crowds::{login, rest_me};
use crate::stage::{Scale, Stage};
use crate::{Failure, Result};

/// Connections that flood login.
const FLOOD: usize = 16;
/// Questions a second that watch how late answers come: so few that they are no load.
const PROBES: f64 = 500.0;
/// Connections that they come over.
const PROBING: usize = 16;

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        let trial = Trial::prepare(stage, &site)?;
        trial.watch(stage, site.name)?;
    }
    Ok(())
}

pub(super) fn run_saturated(stage: &mut Stage) -> Result<()> {
    for place in stage.places.clone() {
        let site = stage.site(place, Scale::Small)?;
        let trial = Trial::prepare(stage, &site)?;
        trial.saturate(stage, site.name)?;
    }
    Ok(())
}

struct Trial {
    gateway: Gateway,
    people: Vec<Person>,
}

/// Figures of the rounds.
#[derive(Default)]
struct Rounds {
    quiet: Vec<f64>,
    flooded: Vec<f64>,
    beside_hashing: Vec<f64>,
    ratio: Vec<f64>,
    logins: Vec<f64>,
}

impl Trial {
    fn prepare(stage: &Stage, site: &Site) -> Result<Self> {
        Ok(Self {
            people: stage.people(site, Scale::Small)?,
            gateway: site.start(Hashing::Default)?,
        })
    }

    fn flood(&self) -> Crowd {
        login(self.people.len() as u64, FLOOD)
    }

    fn watch(&self, stage: &mut Stage, place: &str) -> Result<()> {
        let mut probes = rest_me(&self.people, PROBING);
        let mut flood = self.flood();
        let mut rounds = Rounds::default();
        let timing = stage.pacing.costly.timing;
        for _ in 0..stage.pacing.costly.rounds.min(3) {
            let [quiet] = self.put_on([(&mut probes, Pace::PerSecond(PROBES))], timing)?;
            let [alone] = self.put_on([(&mut flood, Pace::Closed)], timing)?;
            let [flooded, logins] = self.put_on(
                [(&mut probes, Pace::PerSecond(PROBES)), (&mut flood, Pace::Closed)],
                timing,
            )?;
            let hashing = BareHashing::start(&stage.own)?;
            let [beside] = self.put_on([(&mut probes, Pace::PerSecond(PROBES))], timing)?;
            drop(hashing);
            rounds.quiet.push(late(&quiet));
            rounds.flooded.push(late(&flooded));
            rounds.beside_hashing.push(late(&beside));
            rounds.ratio.push(late(&flooded) / late(&beside));
            rounds.logins.push(logins.per_second() / alone.per_second());
            for outcome in [quiet, alone, flooded, logins, beside] {
                stage.report.fail(&outcome.failures);
            }
        }
        rounds.tell(&mut stage.report, place);
        Ok(())
    }

    fn saturate(&self, stage: &mut Stage, place: &str) -> Result<()> {
        let mut asking = rest_me(&self.people, stage.connections);
        let mut flood = self.flood();
        let (mut logins_left, mut answers_left) = (Vec::new(), Vec::new());
        let timing = stage.pacing.costly.timing;
        for _ in 0..stage.pacing.costly.rounds.min(3) {
            let [answers] = self.put_on([(&mut asking, Pace::Closed)], timing)?;
            let [logins] = self.put_on([(&mut flood, Pace::Closed)], timing)?;
            let both = [(&mut asking, Pace::Closed), (&mut flood, Pace::Closed)];
            let [answers_beside, logins_beside] = self.put_on(both, timing)?;
            logins_left.push(logins_beside.per_second() / logins.per_second());
            answers_left.push(answers_beside.per_second() / answers.per_second());
            for outcome in [answers, logins, answers_beside, logins_beside] {
                stage.report.fail(&outcome.failures);
            }
        }
        stage.report.ratio(
            "logins while `me` takes all cores ÷ logins alone",
            place,
            Spread::of(&logins_left),
            Some(Bound::AtLeast(1.0 / 3.0)),
        );
        stage
            .report
            .ratio("`me` meanwhile ÷ `me` alone", place, Spread::of(&answers_left), None);
        Ok(())
    }

    fn put_on<const N: usize>(&self, loads: [(&mut Crowd, Pace); N], timing: Timing) -> Result<[Outcome; N]> {
        let servers = [self.gateway.address];
        let loads = loads.into_iter().map(|(crowd, pace)| Load {
            servers: &servers,
            crowd,
            pace,
        });
        let outcomes = measure(loads.collect(), timing, &[])?.outcomes;
        outcomes.try_into().map_err(|_| Failure::from("a load has no outcome"))
    }
}

impl Rounds {
    fn tell(&self, report: &mut Report, place: &str) {
        for (what, rounds) in [
            ("p99 of `me`, quiet", &self.quiet),
            ("p99 of `me` under a login flood", &self.flooded),
            (
                "p99 of `me` beside bare hashing in another process",
                &self.beside_hashing,
            ),
        ] {
            let Spread { median, least, most } = Spread::of(rounds);
            report.figure(what, place, format!("{median:.2} ms ({least:.2} to {most:.2})"), None);
        }
        report.ratio(
            "p99 under the flood ÷ p99 beside bare hashing",
            place,
            Spread::of(&self.ratio),
            Some(Bound::AtMost(1.5)),
        );
        report.ratio(
            "logins of the flood while `me` is probed ÷ logins alone",
            place,
            Spread::of(&self.logins),
            None,
        );
    }
}

/// The 99th percentile, in milliseconds.
fn late(outcome: &Outcome) -> f64 {
    precise(outcome.latencies.value_at_quantile(0.99)) / 1000.0
}
