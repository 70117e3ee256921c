//! Signing keys that are succeeded every second, and a service that verifies access tokens with a copy of the JWKS.

use std::time::{Duration, Instant};

use super::trial::Trial;
use crate::load::Habits;
use crate::servers::{Site, Verifier, eventually};
use crate::stage::Stage;

/// jose fetches the JWKS again for an unknown key at most every 30 seconds, so a key must be published for longer than that, and than
/// the nodes take to look for it.
const LEAD: &str = "--signing-key-lead=40s";
/// Short, so that tokens come to their end while the keys change.
const LIFETIME: &str = "--access-token-ttl=20s";
const BETWEEN: Duration = Duration::from_secs(1);
/// The lead, and a little.
const PATIENCE: Duration = Duration::from_mins(3);

pub async fn run(stage: &mut Stage) -> bool {
    let site = Site::postgres_redis(stage, &[LEAD, LIFETIME]).await;
    let record = stage.new_record();
    let verifier = Verifier::start(site.nodes[0].address, &record);
    let habits = Habits {
        shows_tokens_to: Some(verifier.tokens.clone()),
        rest: if stage.is_short { 50..150 } else { 0..20 },
        ..Habits::default()
    };
    let title = "keys: a new signing key every second, two nodes on PostgreSQL and Redis";
    let mut trial = Trial::begin_with(&habits, record.clone(), stage, &site, title);
    drop(habits);
    let rotations = stage.times(60, 10);
    let mut newest = String::new();
    for _ in 0..rotations {
        newest = rotate(&site).await;
        tokio::time::sleep(BETWEEN).await;
    }
    let published_at = Instant::now();
    while !is_signing(&site, &newest).await && published_at.elapsed() < PATIENCE {
        tokio::time::sleep(BETWEEN).await;
    }
    // So that it does sign.
    tokio::time::sleep(3 * BETWEEN).await;
    trial.disperse().await;
    let kids = verifier.finish().await;
    record.must("more than one key signs", kids.len() > 1);
    record.must("the newest key signs", kids.contains(&newest));
    record.must(
        "tokens are verified twice",
        record.counted("verified just before its end") > 0,
    );
    let figures = trial.close(&site, |block| {
        block
            .line("keys published, one a second", rotations)
            .line("keys that have signed, the first one included", kids.len())
            .line("tokens verified outside at once", record.counted("verified at once"))
            .line(
                "tokens verified outside just before they expired",
                record.counted("verified just before its end"),
            );
    });
    figures.await
}

/// Publishes a key; its id. The newest key is listed first.
async fn rotate(site: &Site) -> String {
    let lines = keys(site, "rotate").await;
    lines
        .first()
        .and_then(|line| line.split_whitespace().last())
        .expect("a rotation publishes a key")
        .to_owned()
}

async fn is_signing(site: &Site, kid: &str) -> bool {
    let mut lines = keys(site, "list").await.into_iter();
    lines.any(|line| line.starts_with("signing") && line.ends_with(kid))
}

/// What a command prints. On a machine that has too much to do, it may find the database down and give up.
async fn keys(site: &Site, command: &str) -> Vec<String> {
    let mut printed = String::new();
    eventually("the command succeeds", async || {
        let output = site.nodes[0].run(&["keys", command]);
        printed = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success()
    })
    .await;
    printed.lines().map(str::to_owned).collect()
}
