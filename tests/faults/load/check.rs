//! Compares the gateway with the expected state.

use super::CheckDepth;
use super::user::User;
use crate::expected_state::{SessionIndex, State};

/// A partial check includes one in this many accounts and older ended sessions.
const SAMPLE: usize = 24;
/// A quick check includes one in this many live sessions.
const QUICK_SAMPLE: usize = 6;
/// Every check includes an ended session until this many checks have confirmed its end.
const FRESH_CHECKS: u32 = 2;
/// An account keeps at most this many live sessions from logins by checks.
const MAX_LIVE_SESSIONS: usize = 3;

impl User {
    pub(super) async fn check(&mut self, depth: CheckDepth) {
        for account in 0..self.expected.accounts.len() {
            self.check_sessions(account, depth).await;
            if self.is_login_due(account, depth) {
                self.check_login(account).await;
            }
        }
    }

    async fn check_login(&mut self, account: usize) {
        self.login(account).await;
        self.expected.accounts[account].is_checked = true;
        self.record.count("accounts checked");
        let live = self.expected.sessions_in_state(account, State::Live);
        if live.len() > MAX_LIVE_SESSIONS {
            let target = *self.rng.pick(&live);
            self.logout(target, "current").await;
        }
    }

    async fn check_sessions(&mut self, account: usize, depth: CheckDepth) {
        for session in 0..self.expected.accounts[account].sessions.len() {
            let target = SessionIndex { account, session };
            let state = self.expected.session(target).state;
            match state {
                State::Live if depth == CheckDepth::Quick && !self.rng.one_in(QUICK_SAMPLE) => {}
                State::Live => self.check_live(target).await,
                State::Ended if self.is_end_due(target, depth) => {
                    self.check_ended(target).await;
                    self.expected.session_mut(target).checks_since_end += 1;
                    self.record.count("ended checked");
                }
                State::Ended | State::Broken => {}
            }
        }
        let live = self.expected.sessions_in_state(account, State::Live);
        if let Some(target) = live.first()
            && depth != CheckDepth::Quick
        {
            self.list_sessions(*target).await;
        }
    }

    async fn check_live(&mut self, target: SessionIndex) {
        self.me(target).await;
        self.refresh(target).await;
        if self.expected.session(target).state == State::Live {
            self.me(target).await;
        }
        self.record.count("live checked");
    }

    fn is_login_due(&mut self, account: usize, depth: CheckDepth) -> bool {
        match depth {
            CheckDepth::Full => true,
            CheckDepth::Sample if !self.expected.accounts[account].is_checked => true,
            CheckDepth::Sample | CheckDepth::Quick => self.rng.one_in(SAMPLE),
        }
    }

    fn is_end_due(&mut self, target: SessionIndex, depth: CheckDepth) -> bool {
        depth == CheckDepth::Full
            || self.expected.session(target).checks_since_end < FRESH_CHECKS
            || self.rng.one_in(SAMPLE)
    }
}
