//! Measures single steps without HTTP: `cargo bench --bench hot_paths`. docs/performance.md
//! measures whole requests.

#![allow(clippy::unwrap_used, reason = "a step that fails has no cost to show")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_gateway::api::Api;
use auth_gateway::app::App;
use auth_gateway::config::{Argon2Cost, DatabaseUrl, PasswordSettings, Settings};
use auth_gateway::domain::account::{Account, AccountId, NewAccount};
use auth_gateway::domain::clock::{Clock, SystemClock, Timestamp};
use auth_gateway::domain::email::Email;
use auth_gateway::domain::password::PasswordHash;
use auth_gateway::domain::password::PresentedPassword;
use auth_gateway::domain::refresh_token::{RefreshClaim, Rotation};
use auth_gateway::domain::secret::SecretBytes;
use auth_gateway::domain::session::{Device, Generation, Lifetimes, NewSession, SessionId};
use auth_gateway::domain::signing_key::SigningAlgorithm;
use auth_gateway::domain::username::Username;
use auth_gateway::security::{AccessTokens, FreshKey, KeyVault, PasswordPool, RefreshTokens, TokenRules};
use auth_gateway::store::sessions::SqlSessions;
use auth_gateway::store::{Accounts, Database, SessionStore};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use clap::Parser;
use divan::{Bencher, black_box};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const DAY: Duration = Duration::from_hours(24);

fn main() {
    divan::main();
}

#[divan::bench(args = SigningAlgorithm::ALL)]
fn access_token_issue(bencher: Bencher<'_, '_>, algorithm: SigningAlgorithm) {
    let (tokens, account, session) = (access_tokens(algorithm), account(), SessionId::fresh());
    bencher.bench(|| tokens.issue(black_box(&account), session, now()).unwrap());
}

#[divan::bench(args = SigningAlgorithm::ALL)]
fn access_token_verify(bencher: Bencher<'_, '_>, algorithm: SigningAlgorithm) {
    let tokens = access_tokens(algorithm);
    let (account, session) = (account(), SessionId::fresh());
    // Each iteration verifies a new token, because verified tokens are cached.
    bencher
        .with_inputs(|| tokens.issue(&account, session, now()).unwrap())
        .bench_refs(|token| tokens.verify(black_box(token.expose()), now()));
}

#[divan::bench]
fn access_token_verify_cached(bencher: Bencher<'_, '_>) {
    let tokens = access_tokens(SigningAlgorithm::EdDsa);
    let token = tokens.issue(&account(), SessionId::fresh(), now()).unwrap();
    bencher.bench(|| tokens.verify(black_box(token.expose()), now()));
}

#[divan::bench]
fn refresh_token_seal(bencher: Bencher<'_, '_>) {
    let (tokens, claim) = (RefreshTokens::new(&secrets()).unwrap(), first_claim(SessionId::fresh()));
    bencher.bench(|| tokens.seal(black_box(claim)));
}

#[divan::bench]
fn refresh_token_open(bencher: Bencher<'_, '_>) {
    let tokens = RefreshTokens::new(&secrets()).unwrap();
    let token = tokens.seal(first_claim(SessionId::fresh()));
    bencher.bench(|| tokens.open(black_box(token.expose())).unwrap());
}

/// At the default cost, on one of the pool's threads.
#[divan::bench]
fn password_hash(bencher: Bencher<'_, '_>) {
    let (runtime, pool) = (runtime(), password_pool());
    let password = PresentedPassword::parse("Password@123").unwrap();
    bencher.bench(|| runtime.block_on(pool.hash(password.clone())).unwrap());
}

/// Includes the commit to disk.
#[divan::bench]
fn session_rotate_on_sqlite(bencher: Bencher<'_, '_>) {
    let (runtime, folder) = (runtime(), DatabaseFolder::empty());
    let (store, session) = runtime.block_on(folder.open_session());
    let mut claim = first_claim(session);
    bencher.bench_local(|| {
        let renewal = runtime.block_on(store.rotate(claim, now(), None)).unwrap();
        assert!(matches!(renewal.rotation, Rotation::Current { .. }));
        claim.generation = claim.generation.next();
    });
}

#[divan::bench]
fn session_find_on_sqlite(bencher: Bencher<'_, '_>) {
    let (runtime, folder) = (runtime(), DatabaseFolder::empty());
    let (store, session) = runtime.block_on(folder.open_session());
    bencher.bench(|| {
        runtime
            .block_on(store.find(black_box(session), now()))
            .unwrap()
            .unwrap()
    });
}

/// Scans, parses, analyses, validates and executes the document.
#[divan::bench]
fn graphql_new_document(bencher: Bencher<'_, '_>) {
    let (client, number) = (SignedInClient::registered(), AtomicU64::new(0));
    bencher
        .with_inputs(|| {
            format!(
                "{{ a{}: me {{ id email username }} }}",
                number.fetch_add(1, Ordering::Relaxed)
            )
        })
        .bench_values(|document| client.request(&document));
}

/// The document is parsed once and known afterwards. It is validated and executed each time.
#[divan::bench]
fn graphql_known_document(bencher: Bencher<'_, '_>) {
    let client = SignedInClient::registered();
    bencher.bench(|| client.request(black_box("{ __typename me { id email username } }")));
}

/// A known document that requests `me` alone.
#[divan::bench]
fn graphql_known_me(bencher: Bencher<'_, '_>) {
    let client = SignedInClient::registered();
    bencher.bench(|| client.request(black_box("{ me { id email username } }")));
}

/// A signed-in client that calls a gateway on SQLite without a network connection.
struct SignedInClient {
    api: Api,
    authorization: String,
    _folder: DatabaseFolder,
    runtime: Runtime,
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

impl SignedInClient {
    fn registered() -> Self {
        let (runtime, folder) = (runtime(), DatabaseFolder::empty());
        let database = format!("sqlite://{}", folder.file().display());
        let secret = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let options = [
            "bench",
            "--database-url",
            &database,
            "--auth-secret",
            secret,
            "--rate-limit=off",
            "--argon2-memory-kib=128",
        ];
        let settings = Arguments::try_parse_from(options).unwrap().settings;
        let app = runtime
            .block_on(App::assemble(&settings, Arc::new(SystemClock)))
            .unwrap();
        let mut client = Self {
            api: app.api(),
            authorization: String::new(),
            _folder: folder,
            runtime,
        };
        let john = json!({"email": "john.doe@example.com", "username": "johndoe", "password": "Password@123"});
        let request = Request::post("/auth/register").header("content-type", "application/json");
        let request = request.body(Body::from(john.to_string())).unwrap();
        let signed_in = client.runtime.block_on(client.send(request, StatusCode::CREATED));
        let token = signed_in["token"]["access_token"].as_str().unwrap();
        client.authorization = format!("Bearer {token}");
        client
    }

    fn request(&self, document: &str) -> Value {
        let request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("authorization", &self.authorization)
            .body(Body::from(json!({ "query": document }).to_string()))
            .unwrap();
        let answer = self.runtime.block_on(self.send(request, StatusCode::OK));
        assert!(answer.get("errors").is_none());
        answer
    }

    async fn send(&self, request: Request<Body>, expected: StatusCode) -> Value {
        let response = self.api.clone().answer(request).await;
        assert_eq!(response.status(), expected);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// A temporary directory for a database.
struct DatabaseFolder(TempDir);

impl DatabaseFolder {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("auth.db")
    }

    async fn open_session(&self) -> (SqlSessions, SessionId) {
        let database = Database::connect(&DatabaseUrl::Sqlite(self.file())).await.unwrap();
        database.migrate_up().await.unwrap();
        let account = NewAccount {
            id: AccountId::random(),
            email: Email::parse("john.doe@example.com").unwrap(),
            username: Username::parse("johndoe").unwrap(),
            password_hash: Some(PasswordHash(String::new())),
            created_at: now(),
        };
        let session = NewSession {
            id: SessionId::fresh(),
            account: account.id,
            created_at: now(),
            expires_at: now().plus(DAY * 90),
            device: Device::default(),
        };
        let accounts = Accounts::new(database.clone());
        accounts.create(&account, &session).await.unwrap();
        (SqlSessions::new(database, lifetimes()), session.id)
    }
}

fn access_tokens(algorithm: SigningAlgorithm) -> AccessTokens {
    let vault = KeyVault::new(&secrets()).unwrap();
    let key = FreshKey::generate(algorithm).unwrap();
    let stored = vault.seal_fresh(&key, now(), now()).unwrap();
    let rules = TokenRules {
        issuer: "https://auth.example.com".to_owned(),
        audience: "auth-gateway".to_owned(),
        lifetime: Duration::from_mins(15),
    };
    AccessTokens::new(vault.open(vec![stored]).unwrap(), rules)
}

fn password_pool() -> PasswordPool {
    let settings = PasswordSettings {
        password_min_length: 8,
        password_context_words: Vec::new(),
        cost: Argon2Cost {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
        },
        hash_threads: Some(1),
        hash_queue: None,
        hash_nice: 0,
    };
    PasswordPool::start(&settings).unwrap()
}

fn account() -> Account {
    Account {
        id: AccountId::random(),
        email: "john.doe@example.com".to_owned(),
        username: "johndoe".to_owned(),
        profile_image_url: None,
        roles: vec!["user".to_owned()],
    }
}

fn lifetimes() -> Lifetimes {
    Lifetimes {
        refresh_token: DAY * 30,
        session: DAY * 90,
        grace: Duration::from_secs(10),
    }
}

fn first_claim(session: SessionId) -> RefreshClaim {
    let generation = Generation::FIRST;
    RefreshClaim { session, generation }
}

fn secrets() -> [SecretBytes; 1] {
    [SecretBytes::new(vec![7; 32])]
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

fn now() -> Timestamp {
    SystemClock.now()
}
