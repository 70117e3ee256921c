//! Things measured in turn, round after round, so that whatever the machine does meanwhile happens to all of them.

use std::net::SocketAddr;

use hdrhistogram::Histogram;

use crate::Result;
use crate::client::Crowd;
use crate::load::{Failures, Load, Outcome, Pace, Timing, histogram, measure, precise};
use crate::process::Meter;

/// One thing that is measured.
pub struct Contestant<'a> {
    pub servers: &'a [SocketAddr],
    pub meters: &'a [Meter],
    pub crowd: Crowd,
}

/// How often everybody has their turn, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    pub rounds: usize,
    pub timing: Timing,
}

/// What all rounds of one contestant came to.
pub struct Series {
    /// Answers a second, of each round.
    pub rates: Vec<f64>,
    /// Of all rounds, in microseconds.
    pub latencies: Histogram<u64>,
    /// Of the server, in microseconds.
    pub processor_per_answer: f64,
    pub failures: Failures,
}

/// The middle of several figures, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Series {
    /// From the outcomes of its rounds, each with the processor time of the server, in seconds.
    pub fn of(rounds: &[(Outcome, f64)]) -> Result<Self> {
        let (mut latencies, mut failures) = (histogram()?, Failures::default());
        for (outcome, _) in rounds {
            latencies.add(&outcome.latencies)?;
            failures.add(&outcome.failures);
        }
        let seconds: f64 = rounds.iter().map(|(_, seconds)| seconds).sum();
        Ok(Self {
            rates: rounds.iter().map(|(outcome, _)| outcome.per_second()).collect(),
            processor_per_answer: seconds * 1e6 / precise(latencies.len().max(1)),
            latencies,
            failures,
        })
    }

    pub fn rate(&self) -> Spread {
        Spread::of(&self.rates)
    }

    /// This one's rate in each round, divided by the other's in the same round.
    pub fn against(&self, baseline: &Self) -> Spread {
        let ratios = self
            .rates
            .iter()
            .zip(&baseline.rates)
            .map(|(ours, theirs)| ours / theirs);
        Spread::of(&ratios.collect::<Vec<f64>>())
    }
}

impl Spread {
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
            let nothing = f64::NAN;
            return Self {
                median: nothing,
                least: nothing,
                most: nothing,
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
            least: *least,
            most: *most,
        }
    }
}

/// Measures all of them in each round, and in every other round the other way round.
pub fn in_turn(contestants: &mut [Contestant<'_>], turns: Turns) -> Result<Vec<Series>> {
    let mut outcomes: Vec<Vec<(Outcome, f64)>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..turns.rounds {
        for place in 0..contestants.len() {
            let turn = if round.is_multiple_of(2) {
                place
            } else {
                contestants.len() - 1 - place
            };
            let contestant = &mut contestants[turn];
            let load = Load {
                servers: contestant.servers,
                crowd: &mut contestant.crowd,
                pace: Pace::Closed,
            };
            let meters: Vec<&Meter> = contestant.meters.iter().collect();
            let measured = measure(vec![load], turns.timing, &meters)?;
            let seconds = measured.processor.iter().sum();
            outcomes[turn].extend(measured.outcomes.into_iter().map(|outcome| (outcome, seconds)));
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
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 2.0]).median, 3.0);
        assert!(Spread::of(&[]).median.is_nan());
    }
}
