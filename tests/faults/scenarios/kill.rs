//! Gateways that are killed in the middle of their work, and started again.

use std::time::Instant;

use super::trial::Trial;
use crate::servers::Site;
use crate::stage::Stage;

pub async fn run(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let on_both = kill(stage, site, "kill: two nodes on PostgreSQL and Redis, in turn").await;
    let site = Site::sqlite(stage, &[]).await;
    kill(stage, site, "kill: one node on SQLite").await && on_both
}

async fn kill(stage: &mut Stage, mut site: Site, title: &str) -> bool {
    let mut trial = Trial::begin(stage, &site, title);
    let kills = stage.times(50, 5);
    let mut outages = Vec::new();
    for number in 0..kills {
        trial.work(stage, 300..900).await;
        let node = number % site.nodes.len();
        trial.begin_fault();
        let killed_at = Instant::now();
        site.nodes[node].kill();
        site.nodes[node].start_again().await;
        site.nodes[node].until_ready().await;
        outages.push(killed_at.elapsed());
        trial.end_fault(&site).await;
    }
    trial
        .record
        .must("kills cut connections", trial.record.counted("cut") > 0);
    let figures = trial.close(&site, |block| {
        block
            .line("gateways killed and started again", kills)
            .spans("from the kill until it was ready again", &outages);
    });
    figures.await
}
