//! Forged, confused and malformed tokens are refused by both APIs, with every algorithm.
//!
//! Tokens with wrong claims or headers have valid signatures here, as if the key was stolen.
//! Otherwise the signature alone would be the reason, and hide whether the other checks work.

mod algorithms;
mod claims;
mod keys;
mod refresh_tokens;
mod signatures;
mod spelling;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Api, AttackReport, Backend, SignedIn, TestApp, TokenForger, http, raw};

const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// The name of the case, the token, and the expected reason of the refusal.
type Case = (String, String, &'static str);

/// An app with two signed-in users, and a forger with its signing key.
struct Scene {
    app: TestApp,
    john: SignedIn,
    jane: SignedIn,
    forger: TokenForger,
}

impl Scene {
    async fn of(algorithm: &str) -> Self {
        let app = TestApp::with(Backend::Sqlite, Api::Rest, &["--jwt-algorithm", algorithm]).await;
        let john = app.john().await;
        let client = app.client();
        let jane = client.register_with("jane.doe@example.com", "Password@123", "janedoe");
        let jane = jane.await.unwrap();
        let forger = TokenForger::steal_signing_key(&app, &john.access_token).await;
        Self {
            app,
            john,
            jane,
            forger,
        }
    }

    /// Presents every token to both APIs.
    async fn try_all(&self, suite: &'static str, cases: Vec<Case>) {
        let mut report = AttackReport::new(suite);
        self.assert_good(&self.john.access_token).await;
        let (header, claims) = (&self.forger.header, &self.forger.claims);
        let honest = self.forger.token_of(header.to_string(), claims.to_string());
        self.assert_good(&honest).await;
        for (name, token, reason) in &cases {
            for api in [Api::Rest, Api::Graphql] {
                report.tried(1);
                let case = format!("{name} at {api:?} with {}", header["alg"]);
                match self.present(api, token).await {
                    (status, _) if status.is_server_error() => report.server_error(case),
                    (status, _) if status == 431 && token.len() > 400_000 => {}
                    (_, answer) if answer == json!({"code": "UNAUTHENTICATED", "reason": reason}) => {}
                    (status, answer) => report.accepted(format!("{case}: {status} {answer}")),
                }
            }
        }
        self.assert_good(&self.john.access_token).await;
        report.finish();
    }

    async fn assert_good(&self, token: &str) {
        for api in [Api::Rest, Api::Graphql] {
            assert_eq!(self.present(api, token).await, (StatusCode::OK, Value::Null), "{token}");
        }
    }

    /// Returns the status, and the code and reason of a refusal.
    async fn present(&self, api: Api, token: &str) -> (StatusCode, Value) {
        let request = match api {
            Api::Rest => http().get(self.app.url("/auth/me")),
            Api::Graphql => http()
                .post(self.app.url("/graphql"))
                .json(&json!({"query": "{ me { uuid } }"})),
        };
        let (status, _, body) = raw(request.header("authorization", format!("Bearer {token}"))).await;
        let error = match api {
            Api::Rest => &body,
            Api::Graphql => &body["errors"][0]["extensions"],
        };
        let shown = error["code"]
            .is_string()
            .then(|| json!({"code": error["code"], "reason": error["reason"]}));
        (status, shown.unwrap_or_default())
    }

    /// A signed token whose header has these changes. `null` removes a member.
    fn header(&self, changes: &Value) -> String {
        let header = changed(&self.forger.header, changes);
        self.forger.token_of(header.to_string(), self.forger.claims.to_string())
    }

    fn claims(&self, changes: &Value) -> String {
        let claims = changed(&self.forger.claims, changes);
        self.forger.token_of(self.forger.header.to_string(), claims.to_string())
    }
}

fn changed(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        }
    }
    object
}

fn invalid(cases: impl IntoIterator<Item = (String, String)>) -> Vec<Case> {
    cases
        .into_iter()
        .map(|(name, token)| (name, token, "invalid"))
        .collect()
}

async fn with_each_algorithm(suite: &'static str, cases: impl AsyncFn(&Scene) -> Vec<Case>) {
    for algorithm in ALGORITHMS {
        let scene = Scene::of(algorithm).await;
        let cases = cases(&scene).await;
        scene.try_all(suite, cases).await;
    }
}

/// The texts that differ in the last character only and decode to the same bytes: unused bits of
/// that character are set.
fn other_ends(text: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unused = match text.len() % 4 {
        2 => 15,
        3 => 3,
        _ => return Vec::new(),
    };
    let (rest, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|c| *c == last.as_bytes()[0]).unwrap();
    let others = (1..=unused).map(|bits| char::from(ALPHABET[value | bits]));
    others.map(|last| format!("{rest}{last}")).collect()
}
