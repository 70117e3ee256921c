//! Clients close the connection in the middle of a request. The gateway then cancels its work at
//! that point.

use std::time::Duration;

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::load::UserOptions;
use crate::servers::Deployment;

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[]).await;
    let mut is_good = hang_up(env, &deployment, "hang-up: two nodes on PostgreSQL and Redis").await;
    drop(deployment);
    let deployment = Deployment::on_postgres(env, &[], &[]).await;
    is_good &= hang_up(env, &deployment, "hang-up: two nodes on PostgreSQL alone").await;
    drop(deployment);
    let deployment = Deployment::sqlite(env, &[]).await;
    hang_up(env, &deployment, "hang-up: one node on SQLite").await && is_good
}

async fn hang_up(env: &mut Environment, deployment: &Deployment, title: &str) -> bool {
    let options = UserOptions {
        hangs_up: true,
        ..UserOptions::default()
    };
    let mut test = FaultTest::start_with(&options, env.new_record(), env, deployment, title);
    let wanted = env.times(2000, 120) as u64;
    while test.record.counted("hung up") < wanted {
        test.begin_fault();
        tokio::time::sleep(Duration::from_secs(1)).await;
        test.end_fault(deployment).await;
    }
    let hung_up = test.record.counted("hung up");
    let figures = test.finish(deployment, |report| {
        report.line("requests whose client closed the connection", hung_up);
    });
    figures.await
}
