//! Clients that go away in the middle of their requests: whatever the gateway was doing for them stops where it stands.

use std::time::Duration;

use super::trial::Trial;
use crate::load::Habits;
use crate::servers::Site;
use crate::stage::Stage;

pub async fn run(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[]).await;
    let mut is_good = hang_up(stage, &site, "hang-up: two nodes on PostgreSQL and Redis").await;
    drop(site);
    let site = Site::on_postgres(stage, &[], &[]).await;
    is_good &= hang_up(stage, &site, "hang-up: two nodes on PostgreSQL alone").await;
    drop(site);
    let site = Site::sqlite(stage, &[]).await;
    hang_up(stage, &site, "hang-up: one node on SQLite").await && is_good
}

async fn hang_up(stage: &mut Stage, site: &Site, title: &str) -> bool {
    let habits = Habits {
        hangs_up: true,
        ..Habits::default()
    };
    let mut trial = Trial::begin_with(&habits, stage.new_record(), stage, site, title);
    let wanted = stage.times(2000, 120) as u64;
    while trial.record.counted("hung up") < wanted {
        trial.begin_fault();
        tokio::time::sleep(Duration::from_secs(1)).await;
        trial.end_fault(site).await;
    }
    let hung_up = trial.record.counted("hung up");
    let figures = trial.close(site, |block| {
        block.line("requests whose client went away before the answer", hung_up);
    });
    figures.await
}
