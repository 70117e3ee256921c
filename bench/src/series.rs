//! Things measured in index, round after round, so that whatever the machine does meanwhile happens to all of them.

use std::net::SocketAddr;

use hdrhistogram::Histogram;

use crate::Result;
use crate::client::Clients;
use crate::load::{Failures, Load, Outcome, Pace, Timing, measure, new_histogram, to_f64};
use crate::process::Meter;

/// One thing that is measured.
pub struct Target<'a> {
    pub servers: &'a [SocketAddr],
    pub meters: &'a [Meter],
    pub clients: Clients,
}

/// How often everybody has their index, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct RoundOptions {
    pub rounds: usize,
    pub timing: Timing,
}

/// What all rounds of one target came to.
pub struct Series {
    /// Answers a second, of each round.
    pub rates: Vec<f64>,
    /// Of all rounds, in microseconds.
    pub latencies: Histogram<u64>,
    /// Of the server, in microseconds.
    pub cpu_per_response: f64,
    pub failures: Failures,
}

/// The middle of several figures, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Series {
    /// From the outcomes of its rounds, each with the processor time of the server, in seconds.
    pub fn of(rounds: &[(Outcome, f64)]) -> Result<Self> {
        let (mut latencies, mut failures) = (new_histogram()?, Failures::default());
        for (outcome, _) in rounds {
            latencies.add(&outcome.latencies)?;
            failures.add(&outcome.failures);
        }
        let seconds: f64 = rounds.iter().map(|(_, seconds)| seconds).sum();
        Ok(Self {
            rates: rounds.iter().map(|(outcome, _)| outcome.per_second()).collect(),
            cpu_per_response: seconds * 1e6 / to_f64(latencies.len().max(1)),
            latencies,
            failures,
        })
    }

    pub fn rate(&self) -> Stats {
        Stats::of(&self.rates)
    }

    /// This one's rate in each round, divided by the other's in the same round.
    pub fn against(&self, baseline: &Self) -> Stats {
        let ratios = self
            .rates
            .iter()
            .zip(&baseline.rates)
            .map(|(ours, theirs)| ours / theirs);
        Stats::of(&ratios.collect::<Vec<f64>>())
    }
}

impl Stats {
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            let nothing = f64::NAN;
            return Self {
                median: nothing,
                min: nothing,
                max: nothing,
            };
        };
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self {
            median,
            min: *min,
            max: *max,
        }
    }
}

/// Measures all of them in each round, and in every other round the other way round.
pub fn measure_interleaved(targets: &mut [Target<'_>], round_options: RoundOptions) -> Result<Vec<Series>> {
    let mut outcomes: Vec<Vec<(Outcome, f64)>> = targets.iter().map(|_| Vec::new()).collect();
    for round in 0..round_options.rounds {
        for position in 0..targets.len() {
            let index = if round.is_multiple_of(2) {
                position
            } else {
                targets.len() - 1 - position
            };
            let target = &mut targets[index];
            let load = Load {
                servers: target.servers,
                clients: &mut target.clients,
                pace: Pace::ClosedLoop,
            };
            let meters: Vec<&Meter> = target.meters.iter().collect();
            let measured = measure(vec![load], round_options.timing, &meters)?;
            let seconds = measured.cpu_seconds.iter().sum();
            outcomes[index].extend(measured.outcomes.into_iter().map(|outcome| (outcome, seconds)));
        }
    }
    outcomes.iter().map(|rounds| Series::of(rounds)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "these come out exactly")]
    fn a_spread_has_the_median_in_its_middle() {
        let stats = Stats::of(&[3.0, 1.0, 2.0]);
        assert_eq!((stats.min, stats.median, stats.max), (1.0, 2.0, 3.0));
        assert_eq!(Stats::of(&[4.0, 2.0]).median, 3.0);
        assert!(Stats::of(&[]).median.is_nan());
    }
}
