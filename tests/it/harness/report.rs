//! The results of an adversarial suite. `scripts/attack` adds up the lines that it prints.

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

    /// Counts cases that were tried.
    pub fn tried(&mut self, cases: usize) {
        self.tried += u32::try_from(cases).unwrap();
    }

    /// The gateway answered with a server error.
    pub fn server_error(&mut self, case: impl Into<String>) {
        self.server_errors.push(case.into());
    }

    /// The gateway accepted an attack, or refused it with the wrong error.
    pub fn accepted(&mut self, case: impl Into<String>) {
        self.accepted.push(case.into());
    }

    /// An answer or the log revealed a secret.
    pub fn leaked(&mut self, case: impl Into<String>) {
        self.leaks.push(case.into());
    }

    /// Prints the counts.
    ///
    /// # Panics
    /// If a problem was reported, or no case was tried.
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
        let is_clean = self.server_errors.is_empty() && self.accepted.is_empty() && self.leaks.is_empty();
        assert!(is_clean && self.tried > 0, "{self:#?}");
    }
}
