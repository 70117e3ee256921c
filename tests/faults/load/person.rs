//! One client: nobody else uses its accounts and sessions, so it knows what every answer must be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chance::Chance;
use crate::client::{Client, Outcome, Refusal};
use crate::ledger::{Ledger, Place, State, Tokens};
use crate::record::Record;
use crate::request::{Door, Request};

/// How long a client repeats a request before it calls the gateway broken. No fault of this suite lasts nearly as long.
const PATIENCE: Duration = Duration::from_mins(2);
const MOST_ACCOUNTS: usize = 12;
/// One client in so many mostly registers: in every fault some registrations are under way.
const NEWCOMER: usize = 4;
const MOST_ACCOUNTS_OF_NEWCOMER: usize = 80;
const MOST_LIVE_SESSIONS: usize = 4;

pub struct Person {
    pub(super) door: Door,
    pub(super) chance: Chance,
    pub(super) ledger: Ledger,
    pub(super) record: Arc<Record>,
    number: usize,
    habits: Habits,
    nodes: Vec<SocketAddr>,
    client: Client,
}

/// What a client does beside its work.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Between two things that it does, in milliseconds.
    pub rest: std::ops::Range<u64>,
    /// Goes away in the middle of many requests, and then tries again.
    pub hangs_up: bool,
    /// Shows every access token that it gets to an outside service.
    pub shows_tokens_to: Option<Sender<Tokens>>,
}

/// The first answer that was one, and what was lost before it.
pub(super) struct Answered {
    pub(super) answer: Result<Value, Refusal>,
    /// A line for each try, for the history.
    pub(super) tries: Vec<String>,
}

impl Answered {
    /// Whether an earlier try may have been carried out.
    pub(super) fn is_repeated(&self) -> bool {
        self.tries.len() > 1
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            rest: 0..20,
            hangs_up: false,
            shows_tokens_to: None,
        }
    }
}

impl Person {
    pub(super) fn new(number: usize, habits: Habits, nodes: &[SocketAddr], client: &Client, chance: Chance) -> Self {
        Self {
            door: Door::of(number + number / NEWCOMER),
            chance,
            ledger: Ledger::default(),
            record: client.record.clone(),
            number,
            habits,
            nodes: nodes.to_vec(),
            client: client.clone(),
        }
    }

    /// Does one thing, and rests for a moment.
    pub(super) async fn act(&mut self) {
        match self.ledger.pick_live(&mut self.chance) {
            None => self.come_in().await,
            Some(at) => self.use_session(at).await,
        }
        let rest = self.chance.millis(self.habits.rest.clone());
        tokio::time::sleep(rest).await;
    }

    async fn come_in(&mut self) {
        let accounts = self.ledger.accounts.len();
        if accounts < self.most_accounts() {
            self.register(self.next_email()).await;
        } else {
            let account = self.chance.below(accounts);
            self.login(account).await;
        }
    }

    async fn use_session(&mut self, at: Place) {
        let siblings = self.ledger.places(at.account, State::Live);
        match self.chance.below(100) {
            0..50 if self.is_newcomer() && self.ledger.accounts.len() < self.most_accounts() => {
                self.register(self.next_email()).await;
            }
            0..4 if self.ledger.accounts.len() < self.most_accounts() => self.register(self.next_email()).await,
            4..18 if siblings.len() < MOST_LIVE_SESSIONS => self.login(at.account).await,
            18..24 => self.logout(at, "current").await,
            24..26 => self.logout(at, "others").await,
            26..27 => self.logout(at, "all").await,
            27..31 => self.list_sessions(at).await,
            31..34 => self.end_sibling(at).await,
            34..38 => self.confirm_an_end().await,
            38..62 => self.me(at).await,
            _ => self.refresh(at).await,
        }
    }

    fn is_newcomer(&self) -> bool {
        self.number.is_multiple_of(NEWCOMER)
    }

    fn most_accounts(&self) -> usize {
        if self.is_newcomer() {
            MOST_ACCOUNTS_OF_NEWCOMER
        } else {
            MOST_ACCOUNTS
        }
    }

    fn next_email(&self) -> String {
        format!("client{}-{}@example.com", self.number, self.ledger.accounts.len())
    }

    async fn confirm_an_end(&mut self) {
        let ended: Vec<Place> = (0..self.ledger.accounts.len())
            .flat_map(|account| self.ledger.places(account, State::Ended))
            .collect();
        if !ended.is_empty() {
            let at = *self.chance.pick(&ended);
            self.confirm_end(at).await;
        }
    }

    pub(super) fn show(&self, tokens: &Tokens) {
        if let Some(service) = &self.habits.shows_tokens_to {
            let _it_may_have_closed = service.send(tokens.clone());
        }
    }

    /// Sends the request to one node after another until it is answered.
    pub(super) async fn ask(&mut self, request: &Request) -> Answered {
        let started = Instant::now();
        let mut tries = Vec::new();
        while started.elapsed() < PATIENCE {
            let node = *self.chance.pick(&self.nodes);
            let sent_at = self.record.clock();
            let outcome = if self.habits.hangs_up && self.chance.one_in(2) {
                let patience = self.chance.micros(0..20_000);
                self.client.send_and_hang_up(request, node, patience).await
            } else {
                self.client.send(request, node).await
            };
            let line = |what: &str| format!("{sent_at} {} at {node}: {what}", request.operation);
            match outcome {
                Outcome::Done(answer) => {
                    tries.push(line("done"));
                    return Answered {
                        answer: Ok(answer),
                        tries,
                    };
                }
                Outcome::Refused(refusal) => {
                    tries.push(line(&refusal.to_string()));
                    return Answered {
                        answer: Err(refusal),
                        tries,
                    };
                }
                Outcome::Unavailable => tries.push(line("503")),
                Outcome::Lost(why) => tries.push(line(&why)),
            }
            let rest = self.chance.millis(50..150);
            tokio::time::sleep(rest).await;
        }
        Answered {
            answer: Err(Refusal {
                code: format!("no answer but 503 for {PATIENCE:?}"),
                reason: None,
            }),
            tries,
        }
    }
}
