//! A Redis that loses what it held: at once, by a restart, or bit by bit.

use std::time::Duration;

use super::trial::Trial;
use crate::servers::{Redis, Site, eventually};
use crate::stage::Stage;

pub async fn flush(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let mut trial = Trial::begin(stage, &site, "flush: FLUSHALL, two nodes on PostgreSQL and Redis");
    let (flushes, storm) = (stage.times(10, 3), stage.times(200, 50));
    for _ in 0..flushes {
        trial.work(stage, 400..900).await;
        trial.begin_fault();
        site.redis().run::<String>(&["FLUSHALL"]).await;
        trial.end_fault(&site).await;
    }
    // Sessions are lost while they are being brought back.
    trial.begin_fault();
    for _ in 0..storm {
        site.redis().run::<String>(&["FLUSHALL"]).await;
        trial.work(stage, 1..20).await;
    }
    trial.end_fault(&site).await;
    let figures = trial.close(&site, |block| {
        block
            .line("times that Redis was emptied, one by one", flushes)
            .line("times that Redis was emptied in one storm", storm);
    });
    figures.await
}

pub async fn restart(stage: &mut Stage) -> bool {
    let mut site = Site::postgres_redis(stage, &[]).await;
    let mut trial = Trial::begin(
        stage,
        &site,
        "redis-restart: Redis killed and started empty, two nodes on PostgreSQL and Redis",
    );
    let kills = stage.times(5, 1);
    for _ in 0..kills {
        trial.work(stage, 600..1200).await;
        trial.begin_fault();
        site.redis_mut().process.kill();
        trial.work(stage, 200..1500).await;
        trial.until_noticed().await;
        site.redis_mut().start_again(stage).await;
        trial.end_fault(&site).await;
    }
    let figures = trial.close(&site, |block| {
        block.line("times that Redis was killed and started empty", kills);
    });
    figures.await
}

/// Room for the connections, and for few of the sessions.
const ROOM: u64 = 48 * 1024;

pub async fn eviction(stage: &mut Stage) -> bool {
    let redis = Redis::start(stage, &["--maxmemory-policy", "allkeys-lru"]).await;
    let url = redis.url();
    let site = Site::with_redis(stage, redis, &url, &[]).await;
    let mut trial = Trial::begin(
        stage,
        &site,
        "eviction: a Redis that is too small, two nodes on PostgreSQL and Redis",
    );
    trial.work(stage, 1000..1001).await;
    let limit = site.redis().info("used_memory").await + ROOM;
    trial.begin_fault();
    site.redis()
        .run::<String>(&["CONFIG", "SET", "maxmemory", &limit.to_string()])
        .await;
    for _ in 0..stage.times(10, 2) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        trial.end_fault(&site).await;
    }
    let evicted = async || site.redis().info("evicted_keys").await;
    eventually("Redis evicts keys", async || evicted().await > 0).await;
    let evicted = evicted().await;
    let held: u64 = site.redis().run(&["DBSIZE"]).await;
    let figures = trial.close(&site, |block| {
        block
            .line("maxmemory, in bytes", limit)
            .line("evicted_keys", evicted)
            .line("keys that Redis held at the end", held);
    });
    figures.await
}
