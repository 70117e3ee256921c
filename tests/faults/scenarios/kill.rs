//! Gateways that are killed in the middle of their work, and started again.

use std::sync::Arc;
use std::time::Instant;

use crate::load::{Crowd, Depth};
use crate::record::Record;
use crate::report::Block;
use crate::servers::Site;
use crate::stage::Stage;

const CLIENTS: usize = 12;

pub async fn run(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let on_both = kill(stage, site, "kill: two nodes on PostgreSQL and Redis, in turn").await;
    let site = Site::sqlite(stage, &[]).await;
    kill(stage, site, "kill: one node on SQLite").await && on_both
}

async fn kill(stage: &mut Stage, mut site: Site, title: &str) -> bool {
    let record = Arc::new(Record::new());
    let block = Block::open(&record, title);
    let mut crowd = Crowd::gather(CLIENTS, &site.addresses(), &record, &mut stage.chance);
    let kills = stage.times(50, 5);
    let mut outages = Vec::new();
    for number in 0..kills {
        let work = stage.chance.millis(300..900);
        tokio::time::sleep(work).await;
        let before = record.counted("refresh");
        let node = number % site.nodes.len();
        let node = &mut site.nodes[node];
        let killed_at = Instant::now();
        node.kill();
        node.start_again().await;
        node.until_ready().await;
        outages.push(killed_at.elapsed());
        crowd.check(Depth::Sample).await;
        record.must(
            "the load renews sessions around a kill",
            record.counted("refresh") > before,
        );
    }
    crowd.disperse().await;
    site.look_into_logs(&record);
    record.must("kills cut connections", record.counted("cut") > 0);
    block
        .line("clients", CLIENTS)
        .line("gateways killed and started again", kills)
        .spans("from the kill until it was ready again", &outages)
        .load();
    block.close()
}
