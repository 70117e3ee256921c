//! Rotates signing keys every second, while a service verifies access tokens with a copy of the
//! JWKS.

use std::time::{Duration, Instant};

use super::fault_test::FaultTest;
use crate::environment::Environment;
use crate::load::UserOptions;
use crate::servers::{Deployment, Verifier, eventually};

/// jose fetches the JWKS for an unknown key at most every 30 seconds. A key must be published for
/// longer than that plus the nodes' polling interval.
const LEAD: &str = "--signing-key-lead=40s";
/// Short, so that tokens expire while the keys change.
const LIFETIME: &str = "--access-token-ttl=20s";
const INTERVAL: Duration = Duration::from_secs(1);
/// Longer than the lead.
const TIMEOUT: Duration = Duration::from_mins(3);

pub async fn run(env: &mut Environment) -> bool {
    let deployment = Deployment::postgres_redis(env, &[LEAD, LIFETIME]).await;
    let record = env.new_record();
    let verifier = Verifier::start(deployment.nodes[0].address, &record);
    let options = UserOptions {
        token_sender: Some(verifier.tokens.clone()),
        pause_millis: if env.is_short { 50..150 } else { 0..20 },
        ..UserOptions::default()
    };
    let title = "keys: a new signing key every second, two nodes on PostgreSQL and Redis";
    let mut test = FaultTest::start_with(&options, record.clone(), env, &deployment, title);
    drop(options);
    let rotations = env.times(60, 10);
    let mut newest = String::new();
    for _ in 0..rotations {
        newest = publish_key(&deployment).await;
        tokio::time::sleep(INTERVAL).await;
    }
    let published_at = Instant::now();
    while !is_signing(&deployment, &newest).await && published_at.elapsed() < TIMEOUT {
        tokio::time::sleep(INTERVAL).await;
    }
    // Let the newest key sign some tokens.
    tokio::time::sleep(3 * INTERVAL).await;
    test.stop().await;
    let kids = verifier.finish().await;
    record.require("more than one key signs", kids.len() > 1);
    record.require("the newest key signs", kids.contains(&newest));
    record.require(
        "tokens are verified twice",
        record.counted("verified just before its expiry") > 0,
    );
    let figures = test.finish(&deployment, |report| {
        report
            .line("keys published, one per second", rotations)
            .line("keys that signed, including the first", kids.len())
            .line("tokens verified at once", record.counted("verified at once"))
            .line(
                "tokens verified just before they expired",
                record.counted("verified just before its expiry"),
            );
    });
    figures.await
}

/// Publishes a key and returns its id. The output lists the newest key first.
async fn publish_key(deployment: &Deployment) -> String {
    let lines = keys_command(deployment, "rotate").await;
    lines
        .first()
        .and_then(|line| line.split_whitespace().last())
        .expect("a rotation publishes a key")
        .to_owned()
}

async fn is_signing(deployment: &Deployment, kid: &str) -> bool {
    let mut lines = keys_command(deployment, "list").await.into_iter();
    lines.any(|line| line.starts_with("signing") && line.ends_with(kid))
}

/// The output of a command. On an overloaded machine it may give up because the database seems
/// down.
async fn keys_command(deployment: &Deployment, command: &str) -> Vec<String> {
    let mut printed = String::new();
    eventually("the command succeeds", async || {
        let output = deployment.nodes[0].run(&["keys", command]);
        printed = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success()
    })
    .await;
    printed.lines().map(str::to_owned).collect()
}
