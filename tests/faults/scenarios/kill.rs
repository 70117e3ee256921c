//! Kills gateways at work and starts them again.

use std::time::Instant;

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::servers::Deployment;

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let on_both = kill(env, deployment, "kill: two nodes on PostgreSQL and Redis, in turn").await;
    let deployment = Deployment::sqlite(env, &[]).await;
    kill(env, deployment, "kill: one node on SQLite").await && on_both
}

async fn kill(env: &mut Environment, mut deployment: Deployment, title: &str) -> bool {
    let mut test = FaultTest::start(env, &deployment, title);
    let kills = env.times(50, 5);
    let mut outages = Vec::new();
    for number in 0..kills {
        test.work(env, 300..900).await;
        let node = number % deployment.nodes.len();
        test.begin_fault();
        let killed_at = Instant::now();
        deployment.nodes[node].kill();
        deployment.nodes[node].start_again().await;
        deployment.nodes[node].wait_until_ready().await;
        outages.push(killed_at.elapsed());
        test.end_fault(&deployment).await;
    }
    test.record
        .require("kills close connections", test.record.counted("cut") > 0);
    let figures = test.finish(&deployment, |report| {
        report
            .line("kills of a gateway", kills)
            .durations("from the kill until the node was ready", &outages);
    });
    figures.await
}
