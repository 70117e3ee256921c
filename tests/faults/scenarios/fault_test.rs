//! Injects faults under load: users work, a fault happens, and the expected state is checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::load::{CheckDepth, UserOptions, UserPool};
use crate::record::{Record, SlowestResponse};
use crate::report::Report;
use crate::servers::Deployment;

/// How long to wait for something that the load must cause.
const TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

pub struct FaultTest {
    pub record: Arc<Record>,
    users: UserPool,
    clients: usize,
    depth: CheckDepth,
    title: String,
    refreshes_before: u64,
    lost_before: u64,
    recoveries: Vec<Duration>,
    slowest: SlowestResponse,
}

impl FaultTest {
    /// Starts users on the deployment.
    pub fn start(env: &mut Environment, deployment: &Deployment, title: &str) -> Self {
        Self::start_with(&UserOptions::default(), env.new_record(), env, deployment, title)
    }

    /// Starts users with these options. The caller may write to the record as well.
    pub fn start_with(
        options: &UserOptions,
        record: Arc<Record>,
        env: &mut Environment,
        deployment: &Deployment,
        title: &str,
    ) -> Self {
        let clients = env.times(12, 6);
        Self {
            users: UserPool::start(clients, options, &deployment.addresses(), &record, &mut env.rng),
            clients,
            depth: if env.is_short {
                CheckDepth::Quick
            } else {
                CheckDepth::Sample
            },
            record,
            title: title.to_owned(),
            refreshes_before: 0,
            lost_before: 0,
            recoveries: Vec::new(),
            slowest: SlowestResponse::default(),
        }
    }

    /// Lets the users work for a random time in the range.
    pub async fn work(&self, env: &mut Environment, millis: std::ops::Range<u64>) {
        tokio::time::sleep(env.rng.millis(millis)).await;
    }

    pub fn begin_fault(&mut self) {
        self.refreshes_before = self.record.counted("refresh");
        self.lost_before = self.lost();
        self.record.begin_fault();
    }

    /// Waits until some request is not answered, or answered with 503.
    pub async fn wait_until_noticed(&self) {
        self.wait_until("clients notice the fault", || self.lost() > self.lost_before)
            .await;
    }

    /// Waits until the load has caused something. Without it the run proves nothing.
    pub async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() && started.elapsed() < TIMEOUT {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.record.require(what, condition());
    }

    fn lost(&self) -> u64 {
        self.record.counted("503") + self.record.counted("cut")
    }

    /// After the servers are back: waits until every node is ready, and checks the expected state.
    pub async fn end_fault(&mut self, deployment: &Deployment) {
        self.record.end_fault();
        self.recoveries.push(deployment.wait_until_ready().await);
        let slowest = self.record.slowest_of_fault();
        if slowest.took > self.slowest.took {
            self.slowest = slowest;
        }
        self.users.check(self.depth).await;
        let is_refreshed = || self.record.counted("refresh") > self.refreshes_before;
        self.wait_until("sessions are refreshed around a fault", is_refreshed)
            .await;
    }

    /// Checks everything, then stops the users.
    pub async fn stop(&mut self) {
        self.users.stop().await;
    }

    /// Stops the users and prints the figures. `lines` adds the first ones.
    pub async fn finish(mut self, deployment: &Deployment, lines: impl FnOnce(&Report<'_>)) -> bool {
        self.stop().await;
        deployment.check_logs_and_transactions(&self.record).await;
        let report = Report::new(&self.record, &self.title);
        report.line("clients", self.clients);
        lines(&report);
        if !self.recoveries.is_empty() {
            report
                .durations("recovery of all nodes after the fault", &self.recoveries)
                .line("slowest answer during a fault", self.slowest);
        }
        report.load();
        report.print()
    }
}
