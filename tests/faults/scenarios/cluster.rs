//! Kills primaries of a Redis Cluster.

use std::time::{Duration, Instant};

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::servers::{Cluster, Deployment};

pub async fn run(env: &mut Environment) -> bool {
    let mut cluster = Cluster::start(env).await;
    let redis = format!("--redis-url={}", cluster.url());
    let deployment = Deployment::on_postgres(env, &[redis], &[]).await;
    let title = "cluster: two nodes on PostgreSQL and a Redis Cluster of 3 primaries and 3 replicas";
    let mut test = FaultTest::start(env, &deployment, title);
    let kills = env.times(3, 1);
    let mut takeovers = Vec::new();
    for _ in 0..kills {
        test.work(env, 1000..2000).await;
        test.begin_fault();
        let killed_at = Instant::now();
        let killed = cluster.kill_primary(env).await;
        cluster.wait_until_replaced(killed).await;
        takeovers.push(killed_at.elapsed());
        test.wait_until_noticed().await;
        test.end_fault(&deployment).await;
        cluster.bring_back(env, killed).await;
    }
    // Give the node that came back time to serve again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let figures = test.finish(&deployment, |report| {
        report
            .line("kills of a primary", kills)
            .durations("until a replica took over", &takeovers);
    });
    figures.await
}
