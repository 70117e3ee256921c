//! A Redis that comes back with an older state: a replica that had stopped hearing its primary, and an old snapshot. The gateway has
//! acknowledged renewals and ends that this Redis knows nothing of.

use super::trial::Trial;
use crate::servers::{Redis, Site, eventually};
use crate::stage::Stage;
use crate::switch::Switch;

/// The load goes on for so long, in milliseconds, after the state that will come back.
const LOST_TIME: std::ops::Range<u64> = 1500..2500;

pub async fn replica(stage: &mut Stage) -> bool {
    let mut is_good = true;
    for number in 1..=stage.times(5, 1) {
        is_good &= fail_over(stage, number).await;
    }
    is_good
}

async fn fail_over(stage: &mut Stage, number: usize) -> bool {
    let mut primary = Redis::start(stage, &["--repl-diskless-sync-delay", "0"]).await;
    let link = Switch::to(primary.address).await;
    let replica_of = format!("127.0.0.1 {}", link.address.port());
    let replica = Redis::start_with_password(stage, &primary.password, &["--replicaof", &replica_of]).await;
    let failover = Switch::to(primary.address).await;
    let url = primary.url_at(failover.address);
    let site = Site::with_redis(stage, replica, &url, &[]).await;
    let title = format!("stale-replica: failover {number} to a replica that had stopped hearing its primary");
    let mut trial = Trial::begin(stage, &site, &title);
    trial.work(stage, LOST_TIME).await;
    eventually("the replica hears its primary", async || {
        let role: Vec<redis::Value> = site.redis().run(&["ROLE"]).await;
        role.contains(&redis::Value::BulkString(b"connected".to_vec()))
    })
    .await;

    link.go_deaf();
    let known = Known::now(&trial);
    trial.work(stage, LOST_TIME).await;
    let lost = known.grown(&trial).await;
    trial.begin_fault();
    primary.process.kill();
    site.redis().run::<String>(&["REPLICAOF", "NO", "ONE"]).await;
    failover.turn_to(site.redis().address);
    trial.end_fault(&site).await;
    let figures = trial.close(&site, |block| {
        block
            .line("renewals that the replica did not hear of", lost.renewals)
            .line("logouts that the replica did not hear of", lost.logouts);
    });
    figures.await
}

pub async fn snapshot(stage: &mut Stage) -> bool {
    let mut site = Site::postgres_redis(stage, &[]).await;
    let mut trial = Trial::begin(
        stage,
        &site,
        "old-snapshot: Redis killed and started from an old snapshot, two nodes on PostgreSQL and Redis",
    );
    let kills = stage.times(5, 1);
    let mut lost = Known::default();
    for _ in 0..kills {
        trial.work(stage, LOST_TIME).await;
        site.redis().run::<String>(&["SAVE"]).await;
        let known = Known::now(&trial);
        trial.work(stage, LOST_TIME).await;
        let forgotten = known.grown(&trial).await;
        lost.renewals += forgotten.renewals;
        lost.logouts += forgotten.logouts;
        trial.begin_fault();
        site.redis_mut().process.kill();
        site.redis_mut().start_again(stage).await;
        trial.end_fault(&site).await;
    }
    let figures = trial.close(&site, |block| {
        block
            .line("times that Redis came back with an old snapshot", kills)
            .line("renewals that the snapshots did not hold", lost.renewals)
            .line("logouts that the snapshots did not hold", lost.logouts);
    });
    figures.await
}

/// How much had been acknowledged at some time.
#[derive(Default)]
struct Known {
    renewals: u64,
    logouts: u64,
}

impl Known {
    fn now(trial: &Trial) -> Self {
        Self {
            renewals: trial.record.counted("refresh"),
            logouts: trial.record.counted("logout") + trial.record.counted("end session"),
        }
    }

    /// How much has been added, once there is something of each.
    async fn grown(&self, trial: &Trial) -> Self {
        let added = || {
            let now = Self::now(trial);
            Self {
                renewals: now.renewals - self.renewals,
                logouts: now.logouts - self.logouts,
            }
        };
        let is_grown = || added().renewals > 0 && added().logouts > 0;
        trial.until("renewals and logouts are lost", is_grown).await;
        added()
    }
}
