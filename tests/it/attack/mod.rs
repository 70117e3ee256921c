//! Random documents, bodies and tokens against the real gateway. It must not crash, must answer
//! each request in the right form and without a server error, and must not reveal data of another
//! account in an answer or in its log.
//!
//! A few hundred cases of each kind run with all tests. `scripts/attack` sets `ATTACK_CASES` for
//! more cases, and `ATTACK_SEED` for others.

mod bodies;
mod documents;
#[path = "../../faults/rng.rs"]
#[allow(dead_code, reason = "shared with tests/faults, which uses more of it")]
mod rng;
mod tokens;

use std::fs::{self, File};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Api, AttackReport, Backend, Client, Process, SignedIn, Stores, http};
use rng::Rng;

/// A gateway with two accounts: John is the victim, and Jane's tokens belong to the attacker.
struct Target {
    gateway: Process,
    stores: Stores,
    http: reqwest::Client,
    client: Client,
    password: String,
    john: SignedIn,
    jane: SignedIn,
    seed: u64,
}

impl Target {
    async fn start(backend: Backend, algorithm: &str) -> Self {
        let stores = Stores::new(backend).await;
        let log = File::create(stores.folder.path().join("log")).unwrap();
        let mut options = vec!["--argon2-memory-kib=128", "--argon2-iterations=1", "--rate-limit=off"];
        options.extend(["--jwt-algorithm", algorithm, "--database-url", &stores.database_url]);
        if let Some(url) = &stores.redis_url {
            options.extend(["--redis-url", url]);
        }
        let gateway = Process::start_logging(log, stores.folder.path(), &options, &[("RUST_LOG", "debug")]);
        let address = gateway.url.trim_start_matches("http://").parse().unwrap();
        let client = Client {
            api: Api::Rest,
            address,
        };
        let password = format!("Secret-{}", Uuid::new_v4().simple());
        let register = async |name: &str| {
            client
                .register_with(&format!("{name}@private.example"), &password, name)
                .await
        };
        let (john, jane) = (
            register("johnsecret").await.unwrap(),
            register("janesecret").await.unwrap(),
        );
        Self {
            gateway,
            stores,
            http: http(),
            client,
            password,
            john,
            jane,
            seed: variable_or("ATTACK_SEED", 1),
        }
    }

    fn cases() -> usize {
        usize::try_from(variable_or("ATTACK_CASES", 200)).unwrap()
    }

    fn rng(&self) -> Rng {
        Rng::from_seed(self.seed)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gateway.url)
    }

    /// Signs Jane in again, because random requests may end her session.
    async fn sign_jane_in(&mut self) {
        let input = json!({"username": "janesecret", "password": self.password});
        self.jane = self.client.login(&input).await.unwrap();
    }

    /// Sends a request that contains `text`. Reports server errors and leaks in the answer.
    async fn send(&self, report: &mut AttackReport, request: RequestBuilder, text: &str) -> Answer {
        report.tried(1);
        let response = request.send().await.expect("the gateway answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        let case = || format!("seed {}: {text:.1500} -> {status} {body:.300}", self.seed);
        if status.is_server_error() {
            report.server_error(case());
        }
        if self
            .johns()
            .iter()
            .any(|secret| body.contains(secret) && !text.contains(secret))
        {
            report.leaked(case());
        }
        Answer { status, headers, body }
    }

    /// John's data, which no answer to another client may contain.
    fn johns(&self) -> [&str; 5] {
        let SignedIn {
            user,
            access_token,
            refresh_token,
            ..
        } = &self.john;
        [&user.uuid, &user.email, access_token, refresh_token, &self.password]
    }

    /// Checks that the same process serves, that John is signed in, and that the log has no secret.
    async fn finish(mut self, mut report: AttackReport) {
        assert!(!self.gateway.has_ended(), "the gateway did not survive");
        let alive = self.http.get(self.url("/livez")).send().await.unwrap();
        assert_eq!(alive.status(), StatusCode::OK);
        assert_eq!(self.client.me(&self.john.access_token).await.unwrap(), self.john.user);
        let log = fs::read(self.stores.folder.path().join("log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        assert!(log.contains("answered"), "the log contains requests");
        let signature = |token: &SignedIn| token.access_token.rsplit_once('.').unwrap().1.to_owned();
        let secrets = [self.password.clone(), signature(&self.john), signature(&self.jane)];
        let tokens = [&self.john, &self.jane].map(|signed_in| signed_in.refresh_token.clone());
        for secret in secrets.iter().chain(&tokens) {
            if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
                report.leaked(format!("the log: {line:.500}"));
            }
        }
        report.finish();
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    fn media(&self) -> &str {
        self.headers
            .get("content-type")
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Makes one to three random changes of a few bytes each.
fn mutated(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() + 1);
        let end = (at + 1 + rng.below(8)).min(bytes.len());
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.insert(at, u8::try_from(rng.below(256)).unwrap()),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let spliced = *rng.pick(&["\"", "{", "[", "\\u0000", "null", "1e999", "\u{202e}", "..", "="]);
                bytes.splice(at..end, spliced.bytes());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
        }
    }
    bytes
}

#[allow(
    clippy::disallowed_methods,
    reason = "scripts/attack passes its options in variables"
)]
fn variable_or(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a number"))
    })
}
