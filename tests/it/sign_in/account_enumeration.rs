//! A refused login reveals no account, neither by its answer nor by its duration.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Api, AttackReport, Backend, TestApp, http, raw};

fn login(app: &TestApp, api: Api, client: &reqwest::Client, input: &Value) -> reqwest::RequestBuilder {
    match api {
        Api::Rest => client.post(app.url("/auth/login")).json(input),
        Api::Graphql => {
            let query = "mutation($input: LoginInput!) { login(input: $input) { token { accessToken } } }";
            let body = json!({"query": query, "variables": {"input": input}});
            client.post(app.url("/graphql")).json(&body)
        }
    }
}

/// The parts of an answer that are equal each time.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Vec<(String, String)>, Value) {
    let (status, headers, mut body) = raw(request).await;
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    let shown = |headers: &HeaderMap| {
        let lines = headers.iter();
        let lines = lines.filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
        lines
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    };
    (status.as_u16(), shown(&headers), body)
}

#[tokio::test]
async fn a_refused_login_does_not_reveal_the_account_on_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        for api in [Api::Rest, Api::Graphql] {
            let mut report = AttackReport::new("oracle-words");
            // A separate secret, so that other tests do not use these limits.
            let secret = STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
            let options = ["--rate-limit=on", "--auth-secret", &secret];
            let app = TestApp::with(backend, api, &options).await;
            app.john().await;
            let old = app
                .second_node(&[&options[..], &["--argon2-memory-kib=256"]].concat())
                .await;
            old.register_with("jack.doe@example.com", "Password@123", "jackdoe")
                .await
                .unwrap();
            for password in ["password@123", "x", "Password@123 ", &"é".repeat(256)] {
                let mut answers = Vec::new();
                for input in [
                    json!({"email": "unknown@example.com", "password": password}),
                    json!({"email": "john.doe@example.com", "password": password}),
                    json!({"email": "jack.doe@example.com", "password": password}),
                    json!({"username": "unknown", "password": password}),
                    json!({"username": "johndoe", "password": password}),
                ] {
                    report.tried(1);
                    answers.push((answer(login(&app, api, &http(), &input)).await, input));
                    app.clock.advance(Duration::from_mins(5));
                }
                let (expected, _) = answers[0].clone();
                for (answer, input) in answers {
                    if answer != expected {
                        report.leaked(format!("{backend:?} {api:?} {input}: {answer:?}, not {expected:?}"));
                    }
                }
            }
            report.finish();
        }
    }
}

/// Compares two durations in many pairs of measurements, in an order that favours neither.
struct Race {
    differences: Vec<f64>,
    usual: f64,
}

impl Race {
    /// Pairs of measurements, in seconds.
    fn of(pairs: &[(f64, f64)]) -> Self {
        Self {
            differences: pairs.iter().map(|(this, that)| this - that).collect(),
            usual: median(pairs.iter().map(|(_, that)| *that).collect()),
        }
    }

    /// Whether one duration is longer with certainty, and by more than a tenth.
    ///
    /// The sign test: of two equal durations each is the longer one in half of the pairs, however
    /// unsteady the machine is. Six standard deviations happen by chance once in 500 million runs.
    /// A quiet machine measures differences of microseconds, which an attacker cannot use. So the
    /// median of the differences must be large enough, too.
    fn is_distinguishable(&self) -> bool {
        let pairs = count(&self.differences);
        let slower: Vec<f64> = self
            .differences
            .iter()
            .copied()
            .filter(|difference| *difference > 0.0)
            .collect();
        let deviations = (count(&slower) - pairs / 2.0).abs() / (pairs.sqrt() / 2.0);
        deviations > 6.0 && self.share().abs() > 0.1
    }

    /// The median of the differences, relative to the usual duration.
    fn share(&self) -> f64 {
        median(self.differences.clone()) / self.usual
    }
}

fn count(values: &[f64]) -> f64 {
    f64::from(u32::try_from(values.len()).unwrap())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const ROUNDS: usize = 200;
const COST: [&str; 2] = ["--argon2-memory-kib=1024", "--argon2-iterations=2"];

/// The duration of each refused login in each round. Each round begins with the next login.
async fn measure<const N: usize>(apps: [(&TestApp, Value); N], api: Api) -> Vec<[f64; N]> {
    let client = http();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS + 5 {
        let mut took = [0.0; N];
        for step in 0..N {
            let (app, input) = &apps[(round + step) % N];
            let request = login(app, api, &client, input);
            let started = Instant::now();
            let (_, _, body) = raw(request).await;
            took[(round + step) % N] = started.elapsed().as_secs_f64();
            assert!(body.to_string().contains("INVALID_CREDENTIALS"), "{body}");
        }
        rounds.push(took);
    }
    // The first rounds fill caches and open connections.
    rounds.split_off(5)
}

fn wrong(name: &str) -> Value {
    json!({"username": name, "password": "Password@124"})
}

/// An app with accounts whose hashes have the current cost, a higher one and a lower one.
async fn app_with_accounts_of_different_hash_costs() -> TestApp {
    let mut app = TestApp::stores_only(Backend::Sqlite, Api::Rest).await;
    for (cost, name) in [("4096", "costlier"), ("256", "cheapest"), ("1024", "todaysid")] {
        let memory = format!("--argon2-memory-kib={cost}");
        let node = app.second_node(&[&memory, "--argon2-iterations=2"]).await;
        let email = format!("{name}@example.com");
        node.register_with(&email, "Password@123", name).await.unwrap();
    }
    app.start(&COST).await;
    app
}

#[tokio::test]
async fn a_refused_login_takes_as_long_with_an_account_as_without() {
    let app = app_with_accounts_of_different_hash_costs().await;
    for api in [Api::Rest, Api::Graphql] {
        let mut report = AttackReport::new("oracle-time");
        let names = ["nobodyid", "todaysid", "costlier", "cheapest"];
        let rounds = measure(names.map(|name| (&app, wrong(name))), api).await;
        for (at, name) in names.iter().enumerate().skip(1) {
            report.tried(ROUNDS);
            let pairs: Vec<_> = rounds.iter().map(|took| (took[at], took[0])).collect();
            let race = Race::of(&pairs);
            if race.is_distinguishable() {
                let share = race.share() * 100.0;
                report.leaked(format!(
                    "{name} at {api:?} takes {share:.0}% longer than an unknown account"
                ));
            }
        }
        report.finish();
    }
}

/// Proves that the measurement works: a node that knows higher costs takes longer to refuse an
/// unknown account.
#[tokio::test]
async fn a_node_reads_the_hash_costs_in_use_at_its_start() {
    let (old, new) = (
        app_with_accounts_of_different_hash_costs().await,
        TestApp::with(Backend::Sqlite, Api::Rest, &COST).await,
    );
    let rounds = measure([(&old, wrong("nobodyid")), (&new, wrong("nobodyid"))], Api::Rest).await;
    let race = Race::of(&rounds.iter().map(|took| (took[0], took[1])).collect::<Vec<_>>());
    assert!(race.is_distinguishable() && race.share() > 0.0, "{:.2}", race.share());
}

#[test]
fn the_timing_test_detects_a_difference_and_ignores_noise() {
    // Random durations that differ by a factor of a thousand.
    let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) % 1000 + 1);
    let pairs = |factor: f64, shift: f64| {
        let pairs = (0..200).map(|n| (noise(2 * n) * factor + shift, noise(2 * n + 1)));
        pairs.collect::<Vec<_>>()
    };
    assert!(!Race::of(&pairs(1.0, 0.0)).is_distinguishable());
    assert!(Race::of(&pairs(1.0, 500.0)).is_distinguishable());
    let quiet = |factor: f64| {
        let pairs = (0..200).map(|n| {
            (
                (1000.0 + noise(2 * n) / 100.0) * factor,
                1000.0 + noise(2 * n + 1) / 100.0,
            )
        });
        Race::of(&pairs.collect::<Vec<_>>())
    };
    assert!(!quiet(1.02).is_distinguishable(), "certain, but too small to use");
    assert!(quiet(1.2).is_distinguishable() && quiet(0.8).is_distinguishable());
}
