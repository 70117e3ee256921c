//! The record of one run: counts, the slowest answer, and violations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Further violations are only counted.
const SHOWN_VIOLATIONS: usize = 5;

/// Shared by all clients of a run.
pub struct Record {
    /// A slower answer is a violation.
    pub max_latency: Duration,
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<&'static str, u64>,
    slowest: SlowestResponse,
    slowest_of_fault: SlowestResponse,
    faults: Vec<String>,
    violations: Vec<String>,
    not_shown: usize,
}

/// The slowest answer and its operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlowestResponse {
    pub operation: &'static str,
    pub took: Duration,
}

impl Record {
    pub fn with_max_latency(max_latency: Duration) -> Self {
        Self {
            max_latency,
            started: Instant::now(),
            inner: Mutex::default(),
        }
    }

    /// Seconds since the start of the run, for the lines of a history.
    pub fn clock(&self) -> String {
        format!("{:9.3}", self.started.elapsed().as_secs_f64())
    }

    pub fn count(&self, what: &'static str) {
        self.add(what, 1);
    }

    pub fn add(&self, what: &'static str, number: u64) {
        *self.inner().counts.entry(what).or_default() += number;
    }

    pub fn counted(&self, what: &'static str) -> u64 {
        self.inner().counts.get(what).copied().unwrap_or_default()
    }

    pub fn record_latency(&self, operation: &'static str, took: Duration) {
        let answer = SlowestResponse { operation, took };
        let mut inner = self.inner();
        inner.slowest = inner.slowest.or(answer);
        inner.slowest_of_fault = inner.slowest_of_fault.or(answer);
    }

    pub fn slowest(&self) -> SlowestResponse {
        self.inner().slowest
    }

    /// Starts a fault: the slowest answer so far does not count for it.
    pub fn begin_fault(&self) {
        let line = format!("{} fault begins", self.clock());
        let mut inner = self.inner();
        inner.slowest_of_fault = SlowestResponse::default();
        inner.faults.push(line);
    }

    /// Ends a fault: the servers work again.
    pub fn end_fault(&self) {
        let line = format!("{} fault ends", self.clock());
        self.inner().faults.push(line);
    }

    /// The slowest answer since the fault began.
    pub fn slowest_of_fault(&self) -> SlowestResponse {
        self.inner().slowest_of_fault
    }

    pub fn violation(&self, what: impl Into<String>) {
        let mut inner = self.inner();
        if inner.violations.len() < SHOWN_VIOLATIONS {
            inner.violations.push(what.into());
        } else {
            inner.not_shown += 1;
        }
    }

    /// Records a violation unless the condition holds. Without it the run proves nothing.
    pub fn require(&self, what: &str, is_done: bool) {
        if !is_done {
            self.violation(format!("the run proves nothing, because this did not happen: {what}"));
        }
    }

    pub fn violations(&self) -> usize {
        let inner = self.inner();
        inner.violations.len() + inner.not_shown
    }

    /// The first violations in full, and the number of the others.
    pub fn violations_shown(&self) -> String {
        let inner = self.inner();
        let mut text = String::new();
        if !inner.violations.is_empty() {
            let _infallible = writeln!(text, "  times of the faults: {}", inner.faults.join(","));
        }
        for (number, violation) in inner.violations.iter().enumerate() {
            let indented = violation.replace('\n', "\n      ");
            let _infallible = writeln!(text, "  violation {}: {indented}", number + 1);
        }
        if inner.not_shown > 0 {
            let _infallible = writeln!(text, "  and {} more violations", inner.not_shown);
        }
        text
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlowestResponse {
    fn or(self, other: Self) -> Self {
        if other.took > self.took { other } else { self }
    }
}

impl std::fmt::Display for SlowestResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", seconds(self.took), self.operation)
    }
}

/// A duration as all figures are printed.
pub fn seconds(span: Duration) -> String {
    format!("{:.3} s", span.as_secs_f64())
}
