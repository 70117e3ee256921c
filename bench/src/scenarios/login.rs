//! Compares logins with bare hashing.

use std::thread;

use crate::baseline::{Implementation, bare_hashes_per_second};
use crate::environment::{Environment, Scale, servers_and_meters};
use crate::gateway::{Deployment, Hashing};
use crate::load::{Load, Pace, measure};
use crate::report::{Bound, Ratio};
use crate::scenarios::operations::login;
use crate::series::{Series, Stats};
use crate::{Result, report};

pub(super) fn run(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        compare(env, &deployment)?;
    }
    Ok(())
}

fn compare(env: &mut Environment, deployment: &Deployment) -> Result<()> {
    let gateway = deployment.start(Hashing::Default)?;
    let (servers, meters) = servers_and_meters(&gateway);
    let mut clients = login(env.active(Scale::Small), env.connections);
    let (mut rounds, mut bare, mut by_crate) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..env.schedule.slow.rounds {
        let hash = |implementation| {
            bare_hashes_per_second(&env.this_program, implementation, env.schedule.slow.timing.counted)
        };
        let is_hash_first = round % 2 == 0;
        if is_hash_first {
            bare.push(hash(Implementation::QuickArgon2)?);
        }
        let load = Load {
            servers: &servers,
            clients: &mut clients,
            pace: Pace::ClosedLoop,
        };
        let measured = measure(vec![load], env.schedule.slow.timing, &[&meters[0]])?;
        let seconds = measured.cpu_seconds.iter().sum();
        rounds.extend(measured.outcomes.into_iter().map(|outcome| (outcome, seconds)));
        if !is_hash_first {
            bare.push(hash(Implementation::QuickArgon2)?);
        }
        by_crate.push(hash(Implementation::Argon2Crate)?);
    }
    let logins = Series::of(&rounds)?;
    let ratios = logins.rates.iter().zip(&bare).map(|(logins, hashes)| logins / hashes);
    let ratio = Ratio {
        to: "bare hashing",
        stats: Stats::of(&ratios.collect::<Vec<f64>>()),
        bound: Some(Bound::AtLeast(0.95)),
    };
    env.report.load("login, REST", deployment.name, &logins, Some(&ratio));
    let threads = thread::available_parallelism()?;
    for (who, rates) in [("", &bare), (", by the argon2 crate", &by_crate)] {
        let hashes = format!("{} a second", report::grouped(Stats::of(rates).median));
        let what = format!("bare argon2id hashing on {threads} threads{who}");
        env.report.figure(&what, deployment.name, hashes, None);
    }
    Ok(())
}
