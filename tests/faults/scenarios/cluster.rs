//! A Redis Cluster that loses a primary.

use std::time::{Duration, Instant};

use super::trial::Trial;
use crate::servers::{Cluster, Site};
use crate::stage::Stage;

pub async fn run(stage: &mut Stage) -> bool {
    let mut cluster = Cluster::start(stage).await;
    let redis = format!("--redis-url={}", cluster.url());
    let site = Site::on_postgres(stage, &[redis], &[]).await;
    let title = "cluster: two nodes on PostgreSQL and a Redis Cluster of 3 primaries and 3 replicas";
    let mut trial = Trial::begin(stage, &site, title);
    let kills = stage.times(3, 1);
    let mut takeovers = Vec::new();
    for _ in 0..kills {
        trial.work(stage, 1000..2000).await;
        trial.begin_fault();
        let killed_at = Instant::now();
        let gone = cluster.kill_primary(stage).await;
        cluster.until_replaced(gone).await;
        takeovers.push(killed_at.elapsed());
        trial.until_noticed().await;
        trial.end_fault(&site).await;
        cluster.bring_back(stage, gone).await;
    }
    // The node that came back may serve again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let figures = trial.close(&site, |block| {
        block
            .line("times that a primary was killed", kills)
            .spans("until a replica had taken over", &takeovers);
    });
    figures.await
}
