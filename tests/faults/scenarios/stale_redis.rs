//! Redis comes back with an older state: from a replica that had lost its primary, or from an old
//! snapshot. The gateway has acknowledged refreshes and ends that this Redis does not know.

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::failover_proxy::FailoverProxy;
use crate::servers::{Deployment, Redis, eventually};

/// How long the load continues after the state that will come back, in milliseconds.
const LOST_MILLIS: std::ops::Range<u64> = 1500..2500;

pub async fn replica(env: &mut Environment) -> bool {
    let mut is_good = true;
    for number in 1..=env.times(5, 1) {
        is_good &= fail_over(env, number).await;
    }
    is_good
}

async fn fail_over(env: &mut Environment, number: usize) -> bool {
    let mut primary = Redis::start(env, &["--repl-diskless-sync-delay", "0"]).await;
    let link = FailoverProxy::to(primary.address).await;
    let replica_of = format!("127.0.0.1 {}", link.address.port());
    let replica = Redis::start_with_password(env, &primary.password, &["--replicaof", &replica_of]).await;
    let failover = FailoverProxy::to(primary.address).await;
    let url = primary.url_at(failover.address);
    let deployment = Deployment::with_redis(env, replica, &url, &[]).await;
    let title = format!("stale-replica: failover {number} to a replica that had lost its primary");
    let mut test = FaultTest::start(env, &deployment, &title);
    test.work(env, LOST_MILLIS).await;
    eventually("the replica is connected to its primary", async || {
        let role: Vec<redis::Value> = deployment.redis().run(&["ROLE"]).await;
        role.contains(&redis::Value::BulkString(b"connected".to_vec()))
    })
    .await;

    link.stop_forwarding();
    let before = Acknowledged::now(&test);
    test.work(env, LOST_MILLIS).await;
    let lost = before.wait_for_more(&test).await;
    test.begin_fault();
    primary.process.kill();
    deployment.redis().run::<String>(&["REPLICAOF", "NO", "ONE"]).await;
    failover.switch_to(deployment.redis().address);
    test.end_fault(&deployment).await;
    let figures = test.finish(&deployment, |report| {
        report
            .line("refreshes that the replica missed", lost.refreshes)
            .line("logouts that the replica missed", lost.logouts);
    });
    figures.await
}

pub async fn snapshot(env: &mut Environment) -> bool {
    let mut deployment = Deployment::postgres_redis(env, &[]).await;
    let mut test = FaultTest::start(
        env,
        &deployment,
        "old-snapshot: Redis killed and started from an old snapshot, two nodes on PostgreSQL and Redis",
    );
    let kills = env.times(5, 1);
    let mut lost = Acknowledged::default();
    for _ in 0..kills {
        test.work(env, LOST_MILLIS).await;
        deployment.redis().run::<String>(&["SAVE"]).await;
        let before = Acknowledged::now(&test);
        test.work(env, LOST_MILLIS).await;
        let missing = before.wait_for_more(&test).await;
        lost.refreshes += missing.refreshes;
        lost.logouts += missing.logouts;
        test.begin_fault();
        deployment.redis_mut().process.kill();
        deployment.redis_mut().start_again(env).await;
        test.end_fault(&deployment).await;
    }
    let figures = test.finish(&deployment, |report| {
        report
            .line("times that Redis came back with an old snapshot", kills)
            .line("refreshes missing in the snapshots", lost.refreshes)
            .line("logouts missing in the snapshots", lost.logouts);
    });
    figures.await
}

/// Numbers of acknowledged requests.
#[derive(Default)]
struct Acknowledged {
    refreshes: u64,
    logouts: u64,
}

impl Acknowledged {
    fn now(test: &FaultTest) -> Self {
        Self {
            refreshes: test.record.counted("refresh"),
            logouts: test.record.counted("logout") + test.record.counted("end session"),
        }
    }

    /// Waits for at least one more of each. Returns how many were added.
    async fn wait_for_more(&self, test: &FaultTest) -> Self {
        let added = || {
            let now = Self::now(test);
            Self {
                refreshes: now.refreshes - self.refreshes,
                logouts: now.logouts - self.logouts,
            }
        };
        let has_both = || added().refreshes > 0 && added().logouts > 0;
        test.wait_until("refreshes and logouts are lost", has_both).await;
        added()
    }
}
