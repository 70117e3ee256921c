//! A simulated user. No other user touches its accounts and sessions, so it knows the correct
//! answer to every request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Client, Outcome, Refusal};
use crate::expected_state::{ExpectedState, SessionIndex, State, Tokens};
use crate::record::Record;
use crate::request::{Api, Request};
use crate::rng::Rng;

/// How long a request is repeated before it counts as a violation. Every fault of this suite is
/// much shorter.
const TIMEOUT: Duration = Duration::from_mins(2);
const MAX_ACCOUNTS: usize = 12;
/// One user in this many mostly registers, so that registrations are in progress during every
/// fault.
const REGISTERING_USER: usize = 4;
const MAX_ACCOUNTS_OF_REGISTERING_USER: usize = 80;
const MAX_LIVE_SESSIONS: usize = 4;

pub struct User {
    pub(super) api: Api,
    pub(super) rng: Rng,
    pub(super) expected: ExpectedState,
    pub(super) record: Arc<Record>,
    number: usize,
    options: UserOptions,
    nodes: Vec<SocketAddr>,
    client: Client,
}

/// Optional behaviour of a user.
#[derive(Debug, Clone)]
pub struct UserOptions {
    /// Pause between two operations, in milliseconds.
    pub pause_millis: std::ops::Range<u64>,
    /// Closes the connection in the middle of many requests, and then repeats them.
    pub hangs_up: bool,
    /// Gets every access token, for an outside service that verifies it.
    pub token_sender: Option<Sender<Tokens>>,
}

/// The final answer to a request, and the attempts before it.
pub(super) struct RetryOutcome {
    pub(super) answer: Result<Value, Refusal>,
    /// One line per attempt, for the history.
    pub(super) attempts: Vec<String>,
}

impl RetryOutcome {
    /// Whether the gateway may have executed an earlier attempt.
    pub(super) fn is_repeated(&self) -> bool {
        self.attempts.len() > 1
    }
}

impl Default for UserOptions {
    fn default() -> Self {
        Self {
            pause_millis: 0..20,
            hangs_up: false,
            token_sender: None,
        }
    }
}

impl User {
    pub(super) fn new(number: usize, options: UserOptions, nodes: &[SocketAddr], client: &Client, rng: Rng) -> Self {
        Self {
            api: Api::of(number + number / REGISTERING_USER),
            rng,
            expected: ExpectedState::default(),
            record: client.record.clone(),
            number,
            options,
            nodes: nodes.to_vec(),
            client: client.clone(),
        }
    }

    /// Executes one operation, then pauses.
    pub(super) async fn act(&mut self) {
        match self.expected.pick_live(&mut self.rng) {
            None => self.register_or_login().await,
            Some(target) => self.use_session(target).await,
        }
        let pause = self.rng.millis(self.options.pause_millis.clone());
        tokio::time::sleep(pause).await;
    }

    async fn register_or_login(&mut self) {
        let accounts = self.expected.accounts.len();
        if accounts < self.max_accounts() {
            self.register(self.next_email()).await;
        } else {
            let account = self.rng.below(accounts);
            self.login(account).await;
        }
    }

    async fn use_session(&mut self, target: SessionIndex) {
        let siblings = self.expected.sessions_in_state(target.account, State::Live);
        match self.rng.below(100) {
            0..50 if self.mostly_registers() && self.expected.accounts.len() < self.max_accounts() => {
                self.register(self.next_email()).await;
            }
            0..4 if self.expected.accounts.len() < self.max_accounts() => self.register(self.next_email()).await,
            4..18 if siblings.len() < MAX_LIVE_SESSIONS => self.login(target.account).await,
            18..24 => self.logout(target, "current").await,
            24..26 => self.logout(target, "others").await,
            26..27 => self.logout(target, "all").await,
            27..31 => self.list_sessions(target).await,
            31..34 => self.end_sibling(target).await,
            34..38 => self.check_an_ended_session().await,
            38..62 => self.me(target).await,
            _ => self.refresh(target).await,
        }
    }

    fn mostly_registers(&self) -> bool {
        self.number.is_multiple_of(REGISTERING_USER)
    }

    fn max_accounts(&self) -> usize {
        if self.mostly_registers() {
            MAX_ACCOUNTS_OF_REGISTERING_USER
        } else {
            MAX_ACCOUNTS
        }
    }

    fn next_email(&self) -> String {
        format!("client{}-{}@example.com", self.number, self.expected.accounts.len())
    }

    async fn check_an_ended_session(&mut self) {
        let ended: Vec<SessionIndex> = (0..self.expected.accounts.len())
            .flat_map(|account| self.expected.sessions_in_state(account, State::Ended))
            .collect();
        if !ended.is_empty() {
            let target = *self.rng.pick(&ended);
            self.check_ended(target).await;
        }
    }

    pub(super) fn publish_tokens(&self, tokens: &Tokens) {
        if let Some(service) = &self.options.token_sender {
            let _it_may_have_closed = service.send(tokens.clone());
        }
    }

    /// Sends the request to random nodes until one answers.
    pub(super) async fn request(&mut self, request: &Request) -> RetryOutcome {
        let started = Instant::now();
        let mut attempts = Vec::new();
        while started.elapsed() < TIMEOUT {
            let node = *self.rng.pick(&self.nodes);
            let sent_at = self.record.clock();
            let outcome = if self.options.hangs_up && self.rng.one_in(2) {
                let timeout = self.rng.micros(0..20_000);
                self.client.send_and_hang_up(request, node, timeout).await
            } else {
                self.client.send(request, node).await
            };
            let line = |what: &str| format!("{sent_at} {} at {node}: {what}", request.operation);
            match outcome {
                Outcome::Done(answer) => {
                    attempts.push(line("done"));
                    return RetryOutcome {
                        answer: Ok(answer),
                        attempts,
                    };
                }
                Outcome::Refused(refusal) => {
                    attempts.push(line(&refusal.to_string()));
                    return RetryOutcome {
                        answer: Err(refusal),
                        attempts,
                    };
                }
                Outcome::Unavailable => attempts.push(line("503")),
                Outcome::Lost(why) => attempts.push(line(&why)),
            }
            let pause = self.rng.millis(50..150);
            tokio::time::sleep(pause).await;
        }
        RetryOutcome {
            answer: Err(Refusal {
                code: format!("no answer but 503 for {TIMEOUT:?}"),
                reason: None,
            }),
            attempts,
        }
    }
}
