//! Collects the results of a run and formats them as Markdown, for the terminal and for
//! `docs/performance.md`.

use std::fmt::Write;

use crate::load::Failures;
use crate::series::{Series, Stats};

/// The bound that a figure must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A ratio to a baseline.
pub struct Ratio {
    pub to: &'static str,
    pub stats: Stats,
    pub bound: Option<Bound>,
}

#[derive(Default)]
pub struct Report {
    loads: Table,
    figures: Table,
    nodes: Table,
    plans: Table,
    profiles: Table,
    failures: Failures,
    missed: usize,
}

/// A table. It is printed only if it has rows.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
}

impl Report {
    /// Adds a load with its latencies and its ratio to a baseline.
    pub fn load(&mut self, what: &str, backend: &str, series: &Series, ratio: Option<&Ratio>) {
        self.failures.add(&series.failures);
        let millis = |quantile| format!("{:.2}", millis_of(series.latencies.value_at_quantile(quantile)));
        let mut row = vec![
            what.to_owned(),
            backend.to_owned(),
            grouped(series.rate().median),
            millis(0.5),
            millis(0.99),
            millis(1.0),
            format!("{:.0}", series.cpu_per_response),
        ];
        row.push(ratio.map_or(String::new(), |ratio| {
            format!("{} of {}", format_stats(ratio.stats), ratio.to)
        }));
        row.extend(self.check_bound(ratio.map(|ratio| (ratio.stats.median, ratio.bound))));
        self.loads.rows.push(row);
    }

    /// Adds a single figure.
    pub fn figure(&mut self, what: &str, backend: &str, shown: String, bound: Option<(f64, Bound)>) {
        let checked = self.check_bound(bound.map(|(figure, bound)| (figure, Some(bound))));
        let mut row = vec![what.to_owned(), backend.to_owned(), shown];
        row.extend(checked);
        self.figures.rows.push(row);
    }

    /// Adds a ratio with its median, minimum and maximum.
    pub fn ratio(&mut self, what: &str, backend: &str, stats: Stats, bound: Option<Bound>) {
        self.figure(
            what,
            backend,
            format_stats(stats),
            bound.map(|bound| (stats.median, bound)),
        );
    }

    /// Adds a row on a number of nodes: the operation, its rate, and how busy the cores were.
    pub fn nodes(&mut self, cells: Vec<String>) {
        self.nodes.rows.push(cells);
    }

    /// Adds a category of code with its CPU time per response of each kind.
    pub fn profile(&mut self, cells: Vec<String>) {
        self.profiles.rows.push(cells);
    }

    /// Adds a statement, its backend and the result of the check of its plan.
    pub fn plan(&mut self, statement: String, backend: &str, result: &str, is_good: bool) {
        if !is_good {
            self.missed += 1;
        }
        self.plans
            .rows
            .push(vec![statement, backend.to_owned(), result.to_owned()]);
    }

    /// Adds failures of loads that have no row of their own.
    pub fn fail(&mut self, failures: &Failures) {
        self.failures.add(failures);
    }

    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The number of figures out of bounds and of plans that scan a table.
    pub fn missed(&self) -> usize {
        self.missed
    }

    pub fn markdown(&self) -> String {
        let mut text = String::new();
        self.loads.write(
            &mut text,
            "### Loads",
            "What | Where | Per second | p50, ms | p99, ms | max, ms | Server's CPU time per response, µs | Ratio (min to max of the rounds) | Bound | Result",
        );
        self.figures
            .write(&mut text, "### Figures", "What | Where | Figure | Bound | Result");
        self.nodes.write(
            &mut text,
            "### Nodes",
            "What | Nodes | Per second | ÷ one node | p99, ms | Cores busy: gateways | PostgreSQL | Redis | Loader",
        );
        self.plans.write(&mut text, "### Plans", "Statement | Where | Result");
        self.profiles.write(
            &mut text,
            "### CPU time of a response, in microseconds",
            "Where | Selection | a bare handler | `me`, REST | `me`, GraphQL | refresh, REST | login, REST",
        );
        let _infallible = writeln!(text, "Failed responses: {}.", self.failures.count);
        text
    }

    /// Formats the bound and whether it was met.
    fn check_bound(&mut self, figure: Option<(f64, Option<Bound>)>) -> [String; 2] {
        let Some((figure, Some(bound))) = figure else {
            return [String::new(), String::new()];
        };
        let (words, is_met) = match bound {
            Bound::AtLeast(min) => (format!("≥ {min:.2}"), figure >= min),
            Bound::AtMost(max) => (format!("≤ {max:.2}"), figure <= max),
        };
        if !is_met {
            self.missed += 1;
        }
        [words, if is_met { "met" } else { "missed" }.to_owned()]
    }
}

impl Table {
    fn write(&self, text: &mut String, heading: &str, head: &str) {
        if self.rows.is_empty() {
            return;
        }
        let head: Vec<String> = head.split(" | ").map(str::to_owned).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&head]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!(" {cell:<width$} |"));
            format!("|{}\n", padded.collect::<String>())
        };
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        let _infallible = writeln!(text, "{heading}\n\n{}{}{rows}", line(&head), line(&rule));
    }
}

/// Median, minimum and maximum.
fn format_stats(stats: Stats) -> String {
    format!("{:.2} ({:.2} to {:.2})", stats.median, stats.min, stats.max)
}

/// A number with thousands separators.
pub fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn millis_of(micros: u64) -> f64 {
    crate::load::to_f64(micros) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let shown: Vec<String> = [0.4, 999.0, 1000.0, 1_234_567.0].map(grouped).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn figures_out_of_bounds_are_counted() {
        let mut report = Report::default();
        for (figure, bound) in [
            (0.5, Bound::AtLeast(0.5)),
            (0.49, Bound::AtLeast(0.5)),
            (1.5, Bound::AtMost(1.5)),
            (f64::NAN, Bound::AtMost(1.5)),
        ] {
            report.figure("", "", String::new(), Some((figure, bound)));
        }
        assert_eq!(report.missed(), 2);
        assert_eq!(report.markdown().matches("missed").count(), 2);
    }
}
