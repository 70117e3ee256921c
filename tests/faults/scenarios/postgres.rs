//! A PostgreSQL that is killed with all of its processes, and started again.

use super::trial::Trial;
use crate::servers::Site;
use crate::stage::Stage;

pub async fn run(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let with_redis = kill(
        stage,
        site,
        "postgres: PostgreSQL killed, two nodes on PostgreSQL and Redis",
    )
    .await;
    let site = Site::on_postgres(stage, &[], &[]).await;
    kill(
        stage,
        site,
        "postgres: PostgreSQL killed, two nodes on PostgreSQL alone",
    )
    .await
        && with_redis
}

async fn kill(stage: &mut Stage, mut site: Site, title: &str) -> bool {
    let mut trial = Trial::begin(stage, &site, title);
    let kills = stage.times(5, 1);
    for _ in 0..kills {
        trial.work(stage, 600..1200).await;
        trial.begin_fault();
        site.postgres_mut().process.kill();
        trial.work(stage, 200..1500).await;
        trial.until_noticed().await;
        site.postgres_mut().start_again(stage).await;
        trial.end_fault(&site).await;
    }
    let figures = trial.close(&site, |block| {
        block.line("times that PostgreSQL was killed and started again", kills);
    });
    figures.await
}
