//! A sign-in that needs one more step, from the request to the stores.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use clap::{Args, Command, FromArgMatches};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use crate::api::Api;
use crate::app::options::api_options;
use crate::app::services::{self, Backends};
use crate::app::stores;
use crate::config::Settings;
use crate::domain::Result;
use crate::domain::account::{Account, Identifier};
use crate::domain::audit::AuditRecord;
use crate::domain::challenge::{Challenge, ChallengeMethod, ChallengeReason};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::email::Email;
use crate::domain::secret::SecretString;
use crate::service::{Audit, ExpiredRows, OneProofSuffices, Proof, Service, SignInPolicy};

const EMAIL: &str = "john.doe@example.com";
const PASSWORD: &str = "Password@123";

/// Demands a second factor after this proof.
struct DemandAfter(Proof);

#[async_trait]
impl SignInPolicy for DemandAfter {
    async fn next_step(&self, _account: &Account, proof: Proof) -> Result<Option<Challenge>> {
        Ok((proof == self.0).then(|| Challenge {
            reason: ChallengeReason::SecondFactorRequired,
            token: SecretString::new("challenge-token".to_owned()),
            methods: vec![ChallengeMethod::Totp, ChallengeMethod::RecoveryCode],
            expires_in: Duration::from_mins(10),
        }))
    }
}

struct Gateway {
    service: Arc<Service>,
    api: Api,
    audit: Receiver<AuditRecord>,
}

impl Gateway {
    async fn start(folder: &TempDir, sign_in_policy: Arc<dyn SignInPolicy>) -> Self {
        let settings = settings(folder);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (audit, records) = Audit::with_capacity(16, settings.log.audit_events, clock.clone());
        let database = stores::open_database(&settings).await.unwrap();
        let secrets = settings.auth_secret().unwrap().0;
        let backends = Backends {
            expired: ExpiredRows {
                one_time_tokens: stores::one_time_tokens(&database, None, &secrets).unwrap(),
                outbox: stores::outbox(&database, &secrets).unwrap(),
            },
            database,
            redis: None,
            secrets,
            audit,
            clock,
            sign_in_policy,
        };
        let service = Arc::new(services::build(&settings, backends).await.unwrap());
        Self {
            api: Api::new(service.clone(), &api_options(&settings)),
            service,
            audit: records,
        }
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, HeaderMap, Value) {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let (head, body) = self.api.clone().answer(request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (head.status, head.headers, serde_json::from_slice(&body).unwrap())
    }

    async fn register(&self) -> (StatusCode, HeaderMap, Value) {
        let registration = json!({"email": EMAIL, "password": PASSWORD, "username": "johndoe", "mode": "cookie"});
        self.post("/auth/register", &registration).await
    }

    /// How many sessions the account has; `None` if there is no account.
    async fn session_count(&self) -> Option<usize> {
        let identifier = Identifier::Email(Email::parse(EMAIL).unwrap());
        let found = self.service.sign_in.accounts.find_by_identifier(&identifier).await;
        let account = found.unwrap()?.account.id;
        let sessions = self.service.session.sessions.list(account, SystemClock.now()).await;
        Some(sessions.unwrap().len())
    }

    fn events(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.audit.try_recv().ok())
            .map(|record| record.event.kind.row().name)
            .collect()
    }
}

fn settings(folder: &TempDir) -> Settings {
    let database = format!("sqlite://{}", folder.path().join("gateway.db").display());
    let options = [
        "test",
        "--database-url",
        &database,
        "--auth-secret=dGhpcyBzZWNyZXQgaXMgZm9yIHRlc3RzIGFsb25lLCBhbmQgZm9yIG5vdGhpbmcgZWxzZQ==",
        "--argon2-memory-kib=128",
        "--argon2-iterations=1",
    ];
    let command = Settings::augment_args(Command::new("test"));
    Settings::from_arg_matches(&command.try_get_matches_from(options).unwrap()).unwrap()
}

fn login() -> Value {
    json!({"email": EMAIL, "password": PASSWORD, "mode": "cookie"})
}

#[tokio::test]
async fn a_login_that_needs_a_next_step_opens_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&folder, Arc::new(OneProofSuffices)).await;
    assert_eq!(gateway.register().await.0, StatusCode::CREATED);
    let mut gateway = Gateway::start(&folder, Arc::new(DemandAfter(Proof::Password))).await;

    let (status, headers, problem) = gateway.post("/auth/login", &login()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(headers.get(header::SET_COOKIE), None);
    let shown = ["code", "challenge", "methods", "expires_in", "access_token"].map(|name| problem[name].clone());
    let expected = [
        json!("SECOND_FACTOR_REQUIRED"),
        json!("challenge-token"),
        json!(["totp", "recovery_code"]),
        json!(600),
        Value::Null,
    ];
    assert_eq!(shown, expected);

    let query = "mutation($input: LoginInput!) { login(input: $input, mode: COOKIE) { user { id } } }";
    let input = json!({"email": EMAIL, "password": PASSWORD});
    let request = json!({"query": query, "variables": {"input": input}});
    let (_, headers, answer) = gateway.post("/graphql", &request).await;
    assert_eq!(headers.get(header::SET_COOKIE), None);
    assert_eq!(answer["data"], Value::Null);
    let expected = json!({
        "code": "SECOND_FACTOR_REQUIRED",
        "challenge": "challenge-token",
        "methods": ["TOTP", "RECOVERY_CODE"],
        "expiresIn": 600,
    });
    assert_eq!(answer["errors"][0]["extensions"], expected);

    assert_eq!(gateway.session_count().await, Some(1), "the one of the registration");
    assert_eq!(gateway.events(), [""; 0]);
}

#[tokio::test]
async fn a_registration_that_needs_a_next_step_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start(&folder, Arc::new(DemandAfter(Proof::Registration))).await;
    let (status, headers, problem) = gateway.register().await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(headers.get(header::SET_COOKIE), None);
    assert_eq!(problem["code"], "SECOND_FACTOR_REQUIRED");
    assert_eq!(gateway.session_count().await, None);
    assert_eq!(gateway.events(), ["signing_key_published"]);
}
