//! A look at the ledger, line by line.

use super::Depth;
use super::person::Person;
use crate::ledger::{Place, State};

/// One account and one older end in so many is looked at by a check that does not look at all of them.
const SAMPLE: usize = 24;
/// The same for live sessions.
const GLANCE: usize = 6;
/// So many checks in a row look at every end.
const FRESH_CHECKS: u32 = 2;
/// A login by a check stays, unless the account has as many.
const MOST_LIVE_SESSIONS: usize = 3;

impl Person {
    pub(super) async fn check(&mut self, depth: Depth) {
        for account in 0..self.ledger.accounts.len() {
            self.check_sessions(account, depth).await;
            if self.is_login_due(account, depth) {
                self.check_login(account).await;
            }
        }
    }

    async fn check_login(&mut self, account: usize) {
        self.login(account).await;
        self.ledger.accounts[account].is_checked = true;
        self.record.count("accounts checked");
        let live = self.ledger.places(account, State::Live);
        if live.len() > MOST_LIVE_SESSIONS {
            let at = *self.chance.pick(&live);
            self.logout(at, "current").await;
        }
    }

    async fn check_sessions(&mut self, account: usize, depth: Depth) {
        for session in 0..self.ledger.accounts[account].sessions.len() {
            let at = Place { account, session };
            let state = self.ledger.session(at).state;
            match state {
                State::Live if depth == Depth::Glance && !self.chance.one_in(GLANCE) => {}
                State::Live => self.check_live(at).await,
                State::Ended if self.is_end_due(at, depth) => {
                    self.confirm_end(at).await;
                    self.ledger.session_mut(at).checks_since_end += 1;
                    self.record.count("ended checked");
                }
                State::Ended | State::Broken => {}
            }
        }
        let live = self.ledger.places(account, State::Live);
        if let Some(at) = live.first()
            && depth != Depth::Glance
        {
            self.list_sessions(*at).await;
        }
    }

    async fn check_live(&mut self, at: Place) {
        self.me(at).await;
        self.refresh(at).await;
        if self.ledger.session(at).state == State::Live {
            self.me(at).await;
        }
        self.record.count("live checked");
    }

    fn is_login_due(&mut self, account: usize, depth: Depth) -> bool {
        match depth {
            Depth::Everything => true,
            Depth::Sample if !self.ledger.accounts[account].is_checked => true,
            Depth::Sample | Depth::Glance => self.chance.one_in(SAMPLE),
        }
    }

    fn is_end_due(&mut self, at: Place, depth: Depth) -> bool {
        depth == Depth::Everything
            || self.ledger.session(at).checks_since_end < FRESH_CHECKS
            || self.chance.one_in(SAMPLE)
    }
}
