//! Redis loses its keys: all at once, by a restart, or by eviction.

use std::time::Duration;

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::servers::{Deployment, Redis, eventually};

pub async fn flush(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let mut test = FaultTest::start(env, &deployment, "flush: FLUSHALL, two nodes on PostgreSQL and Redis");
    let (flushes, rapid_flushes) = (env.times(10, 3), env.times(200, 50));
    for _ in 0..flushes {
        test.work(env, 400..900).await;
        test.begin_fault();
        deployment.redis().run::<String>(&["FLUSHALL"]).await;
        test.end_fault(&deployment).await;
    }
    // The quick sequence loses sessions while the gateway writes them back.
    test.begin_fault();
    for _ in 0..rapid_flushes {
        deployment.redis().run::<String>(&["FLUSHALL"]).await;
        test.work(env, 1..20).await;
    }
    test.end_fault(&deployment).await;
    let figures = test.finish(&deployment, |report| {
        report
            .line("FLUSHALL, one at a time", flushes)
            .line("FLUSHALL in a quick sequence", rapid_flushes);
    });
    figures.await
}

pub async fn restart(env: &mut Environment) -> bool {
    let mut deployment = Deployment::postgres_redis(env, &[]).await;
    let mut test = FaultTest::start(
        env,
        &deployment,
        "redis-restart: Redis killed and started empty, two nodes on PostgreSQL and Redis",
    );
    let kills = env.times(5, 1);
    for _ in 0..kills {
        test.work(env, 600..1200).await;
        test.begin_fault();
        deployment.redis_mut().process.kill();
        test.work(env, 200..1500).await;
        test.wait_until_noticed().await;
        deployment.redis_mut().start_again(env).await;
        test.end_fault(&deployment).await;
    }
    let figures = test.finish(&deployment, |report| {
        report.line("kills of Redis", kills);
    });
    figures.await
}

/// Bytes above the memory in use: enough for connections and for few of the sessions.
const FREE_BYTES: u64 = 48 * 1024;

pub async fn eviction(env: &mut Environment) -> bool {
    let redis = Redis::start(env, &["--maxmemory-policy", "allkeys-lru"]).await;
    let url = redis.url();
    let deployment = Deployment::with_redis(env, redis, &url, &[]).await;
    let mut test = FaultTest::start(
        env,
        &deployment,
        "eviction: a Redis that is too small, two nodes on PostgreSQL and Redis",
    );
    test.work(env, 1000..1001).await;
    let limit = deployment.redis().info("used_memory").await + FREE_BYTES;
    test.begin_fault();
    deployment
        .redis()
        .run::<String>(&["CONFIG", "SET", "maxmemory", &limit.to_string()])
        .await;
    for _ in 0..env.times(10, 2) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        test.end_fault(&deployment).await;
    }
    let evicted = async || deployment.redis().info("evicted_keys").await;
    eventually("Redis evicts keys", async || evicted().await > 0).await;
    let evicted = evicted().await;
    let keys: u64 = deployment.redis().run(&["DBSIZE"]).await;
    let figures = test.finish(&deployment, |report| {
        report
            .line("maxmemory, in bytes", limit)
            .line("evicted_keys", evicted)
            .line("keys in Redis at the end", keys);
    });
    figures.await
}
