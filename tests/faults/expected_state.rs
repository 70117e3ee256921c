//! The ledger of one client: what the gateway has acknowledged, and how each session came to where it is.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use crate::rng::Rng;

/// Lines of a session's history that are kept.
const HISTORY: usize = 24;
/// How long before its end an access token is not used any more: longer than an answer takes.
const USE_MARGIN: Duration = Duration::from_secs(5);
/// How long before its end an access token is about to expire.
const EXPIRY_MARGIN: Duration = Duration::from_secs(2);

/// Everybody's password.
pub const PASSWORD: &str = "Password@123";

#[derive(Default)]
pub struct ExpectedState {
    pub accounts: Vec<Account>,
}

pub struct Account {
    pub email: String,
    /// Sign-ins whose answer was lost: each may have left a session that nobody holds.
    pub lost_sign_ins: usize,
    /// Whether a check has logged it in since it was registered.
    pub is_checked: bool,
    pub sessions: Vec<Session>,
}

pub struct Session {
    pub tokens: Tokens,
    pub state: State,
    /// How many checks have found it ended.
    pub checks_since_end: u32,
    history: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Live,
    /// Its end has been acknowledged.
    Ended,
    /// A violation has been reported; what becomes of it says nothing new.
    Broken,
}

/// A pair of tokens, with what a refresh token says when it is opened. Clients do not look into it; this suite does, to see that
/// generations follow each other.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: Uuid,
    pub generation: u32,
    /// When the access token expires.
    expires_at: SystemTime,
}

/// Where a session stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionIndex {
    pub account: usize,
    pub session: usize,
}

impl ExpectedState {
    pub fn session(&self, index: SessionIndex) -> &Session {
        &self.accounts[index.account].sessions[index.session]
    }

    pub fn session_mut(&mut self, index: SessionIndex) -> &mut Session {
        &mut self.accounts[index.account].sessions[index.session]
    }

    /// A live session, if there is any.
    pub fn pick_live(&self, rng: &mut Rng) -> Option<SessionIndex> {
        let live: Vec<SessionIndex> = (0..self.accounts.len())
            .flat_map(|account| self.sessions_in_state(account, State::Live))
            .collect();
        (!live.is_empty()).then(|| *rng.pick(&live))
    }

    /// The account's sessions in this state.
    pub fn sessions_in_state(&self, account: usize, state: State) -> Vec<SessionIndex> {
        let sessions = self.accounts[account].sessions.iter().enumerate();
        sessions
            .filter(|(_, session)| session.state == state)
            .map(|(session, _)| SessionIndex { account, session })
            .collect()
    }
}

impl Account {
    pub fn new(email: String) -> Self {
        Self {
            email,
            lost_sign_ins: 0,
            is_checked: false,
            sessions: Vec::new(),
        }
    }
}

impl Session {
    pub fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            state: State::Live,
            checks_since_end: 0,
            history: VecDeque::new(),
        }
    }

    pub fn note(&mut self, line: String) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(line);
    }

    /// The session's history as it stands under a violation.
    pub fn describe(&self) -> String {
        let lines: Vec<&str> = self.history.iter().map(String::as_str).collect();
        format!(
            "session {} (expected: {:?}, generation {})\n{}",
            self.tokens.session,
            self.state,
            self.tokens.generation,
            lines.join("\n")
        )
    }
}

impl Tokens {
    /// Reads a sign-in's answer; the sentence says what is wrong with it.
    pub fn read(answer: &Value) -> Result<Self, String> {
        let text = |name: &str| answer["token"][name].as_str().map(str::to_owned);
        let (Some(access), Some(refresh)) = (text("access_token"), text("refresh_token")) else {
            return Err(format!("an answer without tokens: {answer}"));
        };
        let (session, generation) = open(&refresh).ok_or_else(|| format!("no refresh token: {refresh}"))?;
        let expires_at = expiry(&access).ok_or_else(|| format!("no access token: {access}"))?;
        Ok(Self {
            access,
            refresh,
            session,
            generation,
            expires_at,
        })
    }

    pub fn is_access_usable(&self) -> bool {
        now() + USE_MARGIN < self.expires_at
    }

    pub fn is_almost_expired(&self) -> bool {
        now() + EXPIRY_MARGIN >= self.expires_at
    }

    pub fn has_expired(&self) -> bool {
        now() >= self.expires_at
    }
}

/// `version ‖ session ‖ generation ‖ tag`.
fn open(refresh: &str) -> Option<(Uuid, u32)> {
    let bytes = URL_SAFE_NO_PAD.decode(refresh).ok()?;
    let session = Uuid::from_slice(bytes.get(1..17)?).ok()?;
    let generation = u32::from_be_bytes(bytes.get(17..21)?.try_into().ok()?);
    Some((session, generation))
}

fn expiry(access: &str) -> Option<SystemTime> {
    let seconds = part(access, 1)?["exp"].as_u64()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[allow(
    clippy::disallowed_methods,
    reason = "whether a token is good is a matter of the time on the wall"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// A part of a JWT: 0 is its header, 1 its claims.
pub fn part(access: &str, index: usize) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(access.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
