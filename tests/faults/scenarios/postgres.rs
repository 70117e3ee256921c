//! Kills PostgreSQL with all of its processes and starts it again.

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::servers::Deployment;

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let with_redis = kill(
        env,
        deployment,
        "postgres: PostgreSQL killed, two nodes on PostgreSQL and Redis",
    )
    .await;
    let deployment = Deployment::on_postgres(env, &[], &[]).await;
    kill(
        env,
        deployment,
        "postgres: PostgreSQL killed, two nodes on PostgreSQL alone",
    )
    .await
        && with_redis
}

async fn kill(env: &mut Environment, mut deployment: Deployment, title: &str) -> bool {
    let mut test = FaultTest::start(env, &deployment, title);
    let kills = env.times(5, 1);
    for _ in 0..kills {
        test.work(env, 600..1200).await;
        test.begin_fault();
        deployment.postgres_mut().process.kill();
        test.work(env, 200..1500).await;
        test.wait_until_noticed().await;
        deployment.postgres_mut().start_again(env).await;
        test.end_fault(&deployment).await;
    }
    let figures = test.finish(&deployment, |report| {
        report.line("kills of PostgreSQL", kills);
    });
    figures.await
}
