//! What an adversarial suite counts. `scripts/attack` adds the lines up.

/// The counts of one suite.
#[derive(Debug)]
pub struct AttackReport {
    suite: &'static str,
    tried: u32,
    server_errors: Vec<String>,
    accepted: Vec<String>,
    leaks: Vec<String>,
}

impl AttackReport {
    pub fn new(suite: &'static str) -> Self {
        Self {
            suite,
            tried: 0,
            server_errors: Vec::new(),
            accepted: Vec::new(),
            leaks: Vec::new(),
        }
    }

    /// So many more cases were tried, and nothing came of them.
    pub fn tried(&mut self, cases: usize) {
        self.tried += u32::try_from(cases).unwrap();
    }

    /// The gateway answered that it was its own fault.
    pub fn server_error(&mut self, case: impl Into<String>) {
        self.server_errors.push(case.into());
    }

    /// What should have been refused was not, or not in the right words.
    pub fn accepted(&mut self, case: impl Into<String>) {
        self.accepted.push(case.into());
    }

    /// Something was told that nobody should know.
    pub fn leaked(&mut self, case: impl Into<String>) {
        self.leaks.push(case.into());
    }

    /// Says what came of it.
    ///
    /// # Panics
    /// When anything did.
    #[allow(clippy::print_stdout, reason = "read by scripts/attack")]
    pub fn finish(self) {
        println!(
            "attack: suite={} tried={} 5xx={} accepted={} leaks={}",
            self.suite,
            self.tried,
            self.server_errors.len(),
            self.accepted.len(),
            self.leaks.len()
        );
        let nothing = self.server_errors.is_empty() && self.accepted.is_empty() && self.leaks.is_empty();
        assert!(nothing && self.tried > 0, "{self:#?}");
    }
}
