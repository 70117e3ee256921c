//! The expected state of one client's accounts: what the gateway has acknowledged, with the history
//! of each session.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use crate::rng::Rng;

/// Lines of history kept for each session.
const HISTORY: usize = 24;
/// An access token is not used any more this long before its expiry. Longer than an answer takes.
const USE_MARGIN: Duration = Duration::from_secs(5);
/// An access token counts as almost expired this long before its expiry.
const EXPIRY_MARGIN: Duration = Duration::from_secs(2);

/// The password of every account.
pub const PASSWORD: &str = "Password@123";

#[derive(Default)]
pub struct ExpectedState {
    pub accounts: Vec<Account>,
}

pub struct Account {
    pub email: String,
    /// Sign-ins whose answer was lost. Each may have opened a session that no client knows.
    pub lost_sign_ins: usize,
    /// Whether a check has logged in since the registration.
    pub is_checked: bool,
    pub sessions: Vec<Session>,
}

pub struct Session {
    pub tokens: Tokens,
    pub state: State,
    /// How many checks have confirmed the end.
    pub checks_since_end: u32,
    history: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Live,
    /// The gateway has acknowledged its end.
    Ended,
    /// A violation was reported. The session is not checked any more.
    Broken,
}

/// A pair of tokens, with the decoded content of the refresh token. Clients treat refresh tokens as
/// opaque. The suite decodes them to check that generations follow each other.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: Uuid,
    pub generation: u32,
    /// When the access token expires.
    expires_at: SystemTime,
}

/// Identifies a session in the expected state.
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

    /// A random live session, if there is one.
    pub fn pick_live(&self, rng: &mut Rng) -> Option<SessionIndex> {
        let live: Vec<SessionIndex> = (0..self.accounts.len())
            .flat_map(|account| self.sessions_in_state(account, State::Live))
            .collect();
        (!live.is_empty()).then(|| *rng.pick(&live))
    }

    /// The sessions of an account that are in this state.
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

    pub fn record(&mut self, line: String) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(line);
    }

    /// The session with its history, for the report of a violation.
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
    /// Reads the answer to a sign-in. The error is a sentence for the report.
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

/// Format: `version ‖ session ‖ generation ‖ tag`.
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

/// Decodes a part of a JWT: 0 is the header, 1 the claims.
pub fn part(access: &str, index: usize) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(access.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
