//! Faults under load: the clients work, something happens, the ledger is checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::load::{Crowd, Depth, Habits};
use crate::record::{Record, Slowest};
use crate::report::Block;
use crate::servers::Site;
use crate::stage::Stage;

/// How long something that the load brings about is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

pub struct Trial {
    pub record: Arc<Record>,
    crowd: Crowd,
    clients: usize,
    depth: Depth,
    title: String,
    renewals_before: u64,
    lost_before: u64,
    recoveries: Vec<Duration>,
    slowest: Slowest,
}

impl Trial {
    /// The clients begin to work at the site.
    pub fn begin(stage: &mut Stage, site: &Site, title: &str) -> Self {
        Self::begin_with(&Habits::default(), stage.new_record(), stage, site, title)
    }

    /// Clients with other habits, over a record that somebody else writes to as well.
    pub fn begin_with(habits: &Habits, record: Arc<Record>, stage: &mut Stage, site: &Site, title: &str) -> Self {
        let clients = stage.times(12, 6);
        Self {
            crowd: Crowd::gather(clients, habits, &site.addresses(), &record, &mut stage.chance),
            clients,
            depth: if stage.is_short { Depth::Glance } else { Depth::Sample },
            record,
            title: title.to_owned(),
            renewals_before: 0,
            lost_before: 0,
            recoveries: Vec::new(),
            slowest: Slowest::default(),
        }
    }

    /// Lets the clients work for a while.
    pub async fn work(&self, stage: &mut Stage, millis: std::ops::Range<u64>) {
        tokio::time::sleep(stage.chance.millis(millis)).await;
    }

    pub fn begin_fault(&mut self) {
        self.renewals_before = self.record.counted("refresh");
        self.lost_before = self.lost();
        self.record.begin_fault();
    }

    /// Waits until the clients do not get what they ask for.
    pub async fn until_noticed(&self) {
        self.until("clients notice the fault", || self.lost() > self.lost_before)
            .await;
    }

    /// Waits until the load has brought something about, without which the run shows nothing.
    pub async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_so() && started.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        self.record.must(what, is_so());
    }

    fn lost(&self) -> u64 {
        self.record.counted("503") + self.record.counted("cut")
    }

    /// The servers are back: waits until every node is ready, and checks the ledger.
    pub async fn end_fault(&mut self, site: &Site) {
        self.record.end_fault();
        self.recoveries.push(site.until_ready().await);
        let slowest = self.record.slowest_of_fault();
        if slowest.took > self.slowest.took {
            self.slowest = slowest;
        }
        self.crowd.check(self.depth).await;
        let is_renewed = || self.record.counted("refresh") > self.renewals_before;
        self.until("sessions are renewed around a fault", is_renewed).await;
    }

    /// A last check, after which the clients leave.
    pub async fn disperse(&mut self) {
        self.crowd.disperse().await;
    }

    /// The clients leave, and the figures are printed, of which `lines` writes the first.
    pub async fn close(mut self, site: &Site, lines: impl FnOnce(&Block<'_>)) -> bool {
        self.disperse().await;
        site.look_behind(&self.record).await;
        let block = Block::open(&self.record, &self.title);
        block.line("clients", self.clients);
        lines(&block);
        if !self.recoveries.is_empty() {
            block
                .spans("from the end of the fault until all is ready", &self.recoveries)
                .line("slowest answer while a fault lasted", self.slowest);
        }
        block.load();
        block.close()
    }
}
