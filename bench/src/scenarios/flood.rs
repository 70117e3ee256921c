//! Measures the latency of `me` during a flood of logins, and the rate of logins during a load of
//! `me`.

use crate::baseline::BareHashing;
use crate::client::Clients;
use crate::environment::{Environment, Scale};
use crate::gateway::{Deployment, Gateway, Hashing};
use crate::load::{Load, Outcome, Pace, Timing, measure, to_f64};
use crate::report::{Bound, Report};
use crate::scenarios::operations::{login, rest_me};
use crate::series::Stats;
use crate::users::User;
use crate::{Failure, Result};

/// Connections of the login flood.
const FLOOD_CONNECTIONS: usize = 16;
/// Requests per second that probe the latency. They are too few to be a load.
const PROBES_PER_SECOND: f64 = 500.0;
/// Connections of the probes.
const PROBE_CONNECTIONS: usize = 16;

pub(super) fn run(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        let flood = LoginFlood::prepare(env, &deployment)?;
        flood.measure_latency(env, deployment.name)?;
    }
    Ok(())
}

pub(super) fn run_saturated(env: &mut Environment) -> Result<()> {
    for backend in env.backends.clone() {
        let deployment = env.deployment(backend, Scale::Small)?;
        let flood = LoginFlood::prepare(env, &deployment)?;
        flood.measure_saturation(env, deployment.name)?;
    }
    Ok(())
}

struct LoginFlood {
    gateway: Gateway,
    users: Vec<User>,
}

/// One value per round.
#[derive(Default)]
struct LatencyFigures {
    quiet: Vec<f64>,
    flooded: Vec<f64>,
    beside_hashing: Vec<f64>,
    ratio: Vec<f64>,
    logins: Vec<f64>,
}

impl LoginFlood {
    fn prepare(env: &Environment, deployment: &Deployment) -> Result<Self> {
        Ok(Self {
            users: env.users(deployment, Scale::Small)?,
            gateway: deployment.start(Hashing::Default)?,
        })
    }

    fn flood(&self) -> Clients {
        login(self.users.len() as u64, FLOOD_CONNECTIONS)
    }

    fn measure_latency(&self, env: &mut Environment, backend: &str) -> Result<()> {
        let mut probes = rest_me(&self.users, PROBE_CONNECTIONS);
        let mut flood = self.flood();
        let mut figures = LatencyFigures::default();
        let timing = env.schedule.slow.timing;
        for _ in 0..env.schedule.slow.rounds.min(3) {
            let [quiet] = self.run_loads([(&mut probes, Pace::ConstantRate(PROBES_PER_SECOND))], timing)?;
            let [alone] = self.run_loads([(&mut flood, Pace::ClosedLoop)], timing)?;
            let [flooded, logins] = self.run_loads(
                [
                    (&mut probes, Pace::ConstantRate(PROBES_PER_SECOND)),
                    (&mut flood, Pace::ClosedLoop),
                ],
                timing,
            )?;
            let hashing = BareHashing::start(&env.this_program)?;
            let [with_hashing] = self.run_loads([(&mut probes, Pace::ConstantRate(PROBES_PER_SECOND))], timing)?;
            drop(hashing);
            figures.quiet.push(p99_millis(&quiet));
            figures.flooded.push(p99_millis(&flooded));
            figures.beside_hashing.push(p99_millis(&with_hashing));
            figures.ratio.push(p99_millis(&flooded) / p99_millis(&with_hashing));
            figures.logins.push(logins.per_second() / alone.per_second());
            for outcome in [quiet, alone, flooded, logins, with_hashing] {
                env.report.fail(&outcome.failures);
            }
        }
        figures.report(&mut env.report, backend);
        Ok(())
    }

    fn measure_saturation(&self, env: &mut Environment, backend: &str) -> Result<()> {
        let mut me_clients = rest_me(&self.users, env.connections);
        let mut flood = self.flood();
        let (mut login_ratios, mut me_ratios) = (Vec::new(), Vec::new());
        let timing = env.schedule.slow.timing;
        for _ in 0..env.schedule.slow.rounds.min(3) {
            let [me] = self.run_loads([(&mut me_clients, Pace::ClosedLoop)], timing)?;
            let [logins] = self.run_loads([(&mut flood, Pace::ClosedLoop)], timing)?;
            let both = [(&mut me_clients, Pace::ClosedLoop), (&mut flood, Pace::ClosedLoop)];
            let [me_during_flood, logins_during_load] = self.run_loads(both, timing)?;
            login_ratios.push(logins_during_load.per_second() / logins.per_second());
            me_ratios.push(me_during_flood.per_second() / me.per_second());
            for outcome in [me, logins, me_during_flood, logins_during_load] {
                env.report.fail(&outcome.failures);
            }
        }
        env.report.ratio(
            "logins while `me` uses all cores ÷ logins alone",
            backend,
            Stats::of(&login_ratios),
            Some(Bound::AtLeast(1.0 / 3.0)),
        );
        env.report
            .ratio("`me` meanwhile ÷ `me` alone", backend, Stats::of(&me_ratios), None);
        Ok(())
    }

    fn run_loads<const N: usize>(&self, loads: [(&mut Clients, Pace); N], timing: Timing) -> Result<[Outcome; N]> {
        let servers = [self.gateway.address];
        let loads = loads.into_iter().map(|(clients, pace)| Load {
            servers: &servers,
            clients,
            pace,
        });
        let outcomes = measure(loads.collect(), timing, &[])?.outcomes;
        outcomes.try_into().map_err(|_| Failure::from("a load has no outcome"))
    }
}

impl LatencyFigures {
    fn report(&self, report: &mut Report, backend: &str) {
        for (what, rounds) in [
            ("p99 of `me`, quiet", &self.quiet),
            ("p99 of `me` under a login flood", &self.flooded),
            (
                "p99 of `me` beside bare hashing in another process",
                &self.beside_hashing,
            ),
        ] {
            let Stats { median, min, max } = Stats::of(rounds);
            report.figure(what, backend, format!("{median:.2} ms ({min:.2} to {max:.2})"), None);
        }
        report.ratio(
            "p99 under the flood ÷ p99 beside bare hashing",
            backend,
            Stats::of(&self.ratio),
            Some(Bound::AtMost(1.5)),
        );
        report.ratio(
            "logins of the flood while `me` is probed ÷ logins alone",
            backend,
            Stats::of(&self.logins),
            None,
        );
    }
}

/// The 99th percentile, in milliseconds.
fn p99_millis(outcome: &Outcome) -> f64 {
    to_f64(outcome.latencies.value_at_quantile(0.99)) / 1000.0
}
