//! The operations of a simulated user, and the checks of their answers.

use serde_json::Value;
use uuid::Uuid;

use super::user::{RetryOutcome, User};
use crate::expected_state::{Account, PASSWORD, Session, SessionIndex, State, Tokens};
use crate::request::{Proof, Request};

impl User {
    pub(super) async fn register(&mut self, email: String) {
        let username = email.split('@').next().unwrap_or_default().to_owned();
        let request = self.api.register(&email, &username, PASSWORD);
        let outcome = self.request(&request).await;
        let is_repeated = outcome.is_repeated();
        let mut account = Account::new(email);
        account.lost_sign_ins = outcome.attempts.len() - 1;
        self.expected.accounts.push(account);
        let account = self.expected.accounts.len() - 1;
        match &outcome.answer {
            // The account was created although the answer was lost.
            Err(refusal) if refusal.code == "EMAIL_TAKEN" && is_repeated => self.login(account).await,
            _ => self.sign_in(account, outcome),
        }
    }

    pub(super) async fn login(&mut self, account: usize) {
        let request = self.api.login(&self.expected.accounts[account].email, PASSWORD);
        let outcome = self.request(&request).await;
        self.expected.accounts[account].lost_sign_ins += outcome.attempts.len() - 1;
        self.sign_in(account, outcome);
    }

    fn sign_in(&mut self, account: usize, outcome: RetryOutcome) {
        let tokens = match outcome.answer {
            Ok(answer) => Tokens::read(&answer),
            Err(refusal) => Err(refusal.to_string()),
        };
        match tokens {
            Ok(tokens) => {
                self.publish_tokens(&tokens);
                let mut session = Session::new(tokens);
                outcome.attempts.into_iter().for_each(|line| session.record(line));
                self.expected.accounts[account].sessions.push(session);
            }
            Err(why) => {
                let email = &self.expected.accounts[account].email;
                let history = outcome.attempts.join("\n");
                self.record
                    .violation(format!("{email} cannot sign in: {why}\n{history}"));
            }
        }
    }

    pub(super) async fn refresh(&mut self, target: SessionIndex) {
        let presented = self.expected.session(target).tokens.clone();
        let request = self.api.refresh(&presented.refresh);
        let outcome = self.request(&request).await;
        if outcome.is_repeated() {
            self.record.count("repeated refreshes");
        }
        let Some(answer) = self.expect_success_of(&[target], outcome) else {
            return;
        };
        match Tokens::read(&answer) {
            // The answer must hold the successor: neither the presented token nor one of another
            // session.
            Ok(new) if new.session == presented.session && new.generation == presented.generation + 1 => {
                self.publish_tokens(&new);
                self.expected.session_mut(target).tokens = new;
            }
            Ok(new) => self.report_broken(
                target,
                &format!(
                    "the new token is generation {} of session {}",
                    new.generation, new.session
                ),
            ),
            Err(why) => self.report_broken(target, &why),
        }
    }

    pub(super) async fn me(&mut self, target: SessionIndex) {
        if let Some(access) = self.access_token(target).await {
            let request = self.api.me(&access);
            self.expect_success(&[target], &request).await;
        }
    }

    /// An acknowledged logout is final. Without an acknowledgement it is repeated.
    pub(super) async fn logout(&mut self, target: SessionIndex, scope: &str) {
        let Some(access) = self.access_token(target).await else {
            return;
        };
        let refresh = self.expected.session(target).tokens.refresh.clone();
        let proof = if self.rng.one_in(2) {
            Proof::Access(&access)
        } else {
            Proof::Refresh(&refresh)
        };
        let mut ending = self.expected.sessions_in_state(target.account, State::Live);
        ending.retain(|index| match scope {
            "current" => *index == target,
            "others" => *index != target,
            _ => true,
        });
        let mut sessions = ending.clone();
        sessions.retain(|index| *index != target);
        sessions.push(target);
        let request = self.api.logout(proof, scope);
        if self.expect_success(&sessions, &request).await.is_some() {
            self.mark_ended(&ending);
            self.check_ended_randomly(&ending).await;
        }
    }

    pub(super) async fn end_sibling(&mut self, target: SessionIndex) {
        let mut siblings = self.expected.sessions_in_state(target.account, State::Live);
        siblings.retain(|index| *index != target);
        let Some(access) = self.access_token(target).await else {
            return;
        };
        if siblings.is_empty() {
            return;
        }
        let sibling = *self.rng.pick(&siblings);
        let id = self.expected.session(sibling).tokens.session;
        let request = self.api.end_session(&access, id);
        if self.expect_success(&[sibling, target], &request).await.is_some() {
            self.mark_ended(&[sibling]);
            self.check_ended_randomly(&[sibling]).await;
        }
    }

    /// The list must hold every live session of the account and no ended one. It may hold further
    /// sessions only if answers to sign-ins were lost.
    pub(super) async fn list_sessions(&mut self, target: SessionIndex) {
        let Some(access) = self.access_token(target).await else {
            return;
        };
        let request = self.api.sessions(&access);
        let Some(answer) = self.expect_success(&[target], &request).await else {
            return;
        };
        let mut listed: Vec<Uuid> = answer
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|session| session["id"].as_str()?.parse().ok())
            .collect();
        let sessions = self.expected.accounts[target.account].sessions.len();
        for number in 0..sessions {
            let index = SessionIndex {
                session: number,
                ..target
            };
            let session = self.expected.session(index);
            let (id, state) = (session.tokens.session, session.state);
            let is_listed = listed.contains(&id);
            listed.retain(|other| *other != id);
            if is_listed && state == State::Ended {
                self.report_broken(index, "an ended session is in the list");
            } else if !is_listed && state == State::Live {
                self.report_broken(index, "a live session is missing in the list");
            }
        }
        if listed.len() > self.expected.accounts[target.account].lost_sign_ins {
            self.report_broken(target, &format!("the list holds unknown sessions: {listed:?}"));
        }
    }

    /// Both tokens of an ended session must be refused.
    pub(super) async fn check_ended(&mut self, target: SessionIndex) {
        let tokens = self.expected.session(target).tokens.clone();
        let request = self.api.refresh(&tokens.refresh);
        self.expect_refusal(target, &request, "REFRESH_TOKEN_INVALID", None)
            .await;
        if tokens.is_access_usable() {
            let request = self.api.me(&tokens.access);
            self.expect_refusal(target, &request, "UNAUTHENTICATED", Some("revoked"))
                .await;
        }
    }

    /// An access token that has not expired. Refreshes first if necessary.
    async fn access_token(&mut self, target: SessionIndex) -> Option<String> {
        if !self.expected.session(target).tokens.is_access_usable() {
            self.refresh(target).await;
        }
        let session = self.expected.session(target);
        (session.state == State::Live).then(|| session.tokens.access.clone())
    }

    async fn expect_success(&mut self, sessions: &[SessionIndex], request: &Request) -> Option<Value> {
        let outcome = self.request(request).await;
        self.expect_success_of(sessions, outcome)
    }

    /// The answer, which must be a success. The last session in `sessions` is the one that sent the
    /// request.
    fn expect_success_of(&mut self, sessions: &[SessionIndex], outcome: RetryOutcome) -> Option<Value> {
        for index in sessions {
            for line in &outcome.attempts {
                self.expected.session_mut(*index).record(line.clone());
            }
        }
        match outcome.answer {
            Ok(answer) => Some(answer),
            Err(refusal) => {
                let sender = *sessions.last()?;
                self.report_broken(sender, &format!("a live session is refused: {refusal}"));
                None
            }
        }
    }

    async fn expect_refusal(&mut self, target: SessionIndex, request: &Request, code: &str, reason: Option<&str>) {
        if self.expected.session(target).state == State::Broken {
            return;
        }
        let outcome = self.request(request).await;
        let is_refused = outcome
            .answer
            .as_ref()
            .is_err_and(|refusal| refusal.code == code && refusal.reason.as_deref() == reason);
        if !is_refused {
            for line in outcome.attempts {
                self.expected.session_mut(target).record(line);
            }
            self.report_broken(target, &format!("an ended session is not answered with {code}"));
        }
    }

    /// An end must hold at every node as soon as it is acknowledged. Half of the ends are checked
    /// before anything else happens.
    async fn check_ended_randomly(&mut self, ended: &[SessionIndex]) {
        if !ended.is_empty() && self.rng.one_in(2) {
            let target = *self.rng.pick(ended);
            self.check_ended(target).await;
        }
    }

    fn mark_ended(&mut self, indexes: &[SessionIndex]) {
        let clock = self.record.clock();
        for index in indexes {
            let session = self.expected.session_mut(*index);
            session.state = State::Ended;
            session.record(format!("{clock} end acknowledged"));
        }
    }

    fn report_broken(&mut self, target: SessionIndex, what: &str) {
        let email = self.expected.accounts[target.account].email.clone();
        let session = self.expected.session_mut(target);
        self.record
            .violation(format!("{what}\n{email}, {}", session.describe()));
        session.state = State::Broken;
    }
}
