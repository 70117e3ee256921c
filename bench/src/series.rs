//! Measures several targets in interleaved rounds, so that changes in the speed of the machine
//! affect all of them alike.

use std::net::SocketAddr;

use hdrhistogram::Histogram;

use crate::Result;
use crate::client::Clients;
use crate::load::{Failures, Load, Outcome, Pace, Timing, measure, new_histogram, to_f64};
use crate::process::Meter;

/// A server to measure, with its clients.
pub struct Target<'a> {
    pub servers: &'a [SocketAddr],
    pub meters: &'a [Meter],
    pub clients: Clients,
}

/// The number of rounds, and the length of each.
#[derive(Debug, Clone, Copy)]
pub struct RoundOptions {
    pub rounds: usize,
    pub timing: Timing,
}

/// The results of all rounds of one target.
pub struct Series {
    /// Responses per second, one value for each round.
    pub rates: Vec<f64>,
    /// Of all rounds, in microseconds.
    pub latencies: Histogram<u64>,
    /// CPU time of the server per response, in microseconds.
    pub cpu_per_response: f64,
    pub failures: Failures,
}

/// Median, minimum and maximum of several figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Series {
    /// Each round is its outcome with the CPU time of the server in seconds.
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

    /// The rate of each round divided by the baseline's rate in the same round.
    pub fn against(&self, baseline: &Self) -> Stats {
        let ratios = self.rates.iter().zip(&baseline.rates).map(|(rate, base)| rate / base);
        Stats::of(&ratios.collect::<Vec<f64>>())
    }
}

impl Stats {
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            let undefined = f64::NAN;
            return Self {
                median: undefined,
                min: undefined,
                max: undefined,
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

/// Measures every target once per round. Every other round goes through the targets in reverse
/// order.
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
    #[allow(clippy::float_cmp, reason = "these values are exact")]
    fn stats_hold_the_median_and_the_range() {
        let stats = Stats::of(&[3.0, 1.0, 2.0]);
        assert_eq!((stats.min, stats.median, stats.max), (1.0, 2.0, 3.0));
        assert_eq!(Stats::of(&[4.0, 2.0]).median, 3.0);
        assert!(Stats::of(&[]).median.is_nan());
    }
}
