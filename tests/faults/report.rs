//! The figures that a run prints.

use std::cell::RefCell;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::load::OPERATIONS;
use crate::record::{Record, seconds};

const LABEL_WIDTH: usize = 56;
const VALUE_WIDTH: usize = 24;

/// A title with figures. It is printed in one piece, because other scenarios may run at the same
/// time.
pub struct Report<'a> {
    record: &'a Record,
    text: RefCell<String>,
}

impl<'a> Report<'a> {
    pub fn new(record: &'a Record, title: &str) -> Self {
        Self {
            record,
            text: RefCell::new(format!("\n{title}\n")),
        }
    }

    pub fn line(&self, label: &str, value: impl Display) -> &Self {
        let value = value.to_string();
        let _infallible = writeln!(self.text.borrow_mut(), "  {label:<LABEL_WIDTH$}{value:>VALUE_WIDTH$}");
        self
    }

    /// Adds the median and the longest of several durations.
    pub fn durations(&self, label: &str, spans: &[Duration]) -> &Self {
        let mut sorted = spans.to_vec();
        sorted.sort();
        let (Some(median), Some(longest)) = (sorted.get(sorted.len() / 2), sorted.last()) else {
            return self.line(label, "none");
        };
        self.line(
            &format!("{label}, median / longest"),
            format!("{} / {}", seconds(*median), seconds(*longest)),
        )
    }

    /// Adds what the clients did and what the checks found.
    pub fn load(&self) -> &Self {
        let acknowledged: u64 = OPERATIONS.iter().map(|operation| self.record.counted(operation)).sum();
        self.line("requests acknowledged", acknowledged);
        for operation in OPERATIONS {
            self.line(&format!("  {operation}"), self.record.counted(operation));
        }
        self.line("answered 503", self.record.counted("503"))
            .line("connections refused or cut", self.record.counted("cut"))
            .line(
                "refreshes repeated after a lost answer",
                self.record.counted("repeated refreshes"),
            )
            .line(
                "checked: accounts that can log in",
                self.record.counted("accounts checked"),
            )
            .line("checked: live sessions that work", self.record.counted("live checked"))
            .line(
                "checked: ended sessions that are refused",
                self.record.counted("ended checked"),
            )
    }

    /// Prints the report. Returns whether there was no violation.
    pub fn print(&self) -> bool {
        self.line("slowest answer", self.record.slowest());
        let violations = self.record.violations();
        self.line("violations", violations);
        print!("{}{}", self.text.borrow(), self.record.violations_shown());
        violations == 0
    }
}
