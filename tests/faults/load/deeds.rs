//! What a client does, and what it makes of the answer.

use serde_json::Value;
use uuid::Uuid;

use super::person::{Answered, Person};
use crate::ledger::{Account, PASSWORD, Place, Session, State, Tokens};
use crate::request::{Proof, Request};

impl Person {
    pub(super) async fn register(&mut self, email: String) {
        let username = email.split('@').next().unwrap_or_default().to_owned();
        let request = self.door.register(&email, &username, PASSWORD);
        let answered = self.ask(&request).await;
        let is_repeated = answered.is_repeated();
        let mut account = Account::new(email);
        account.lost_sign_ins = answered.tries.len() - 1;
        self.ledger.accounts.push(account);
        let account = self.ledger.accounts.len() - 1;
        match &answered.answer {
            // The answer was lost, the account was made.
            Err(refusal) if refusal.code == "EMAIL_TAKEN" && is_repeated => self.login(account).await,
            _ => self.sign_in(account, answered),
        }
    }

    pub(super) async fn login(&mut self, account: usize) {
        let request = self.door.login(&self.ledger.accounts[account].email, PASSWORD);
        let answered = self.ask(&request).await;
        self.ledger.accounts[account].lost_sign_ins += answered.tries.len() - 1;
        self.sign_in(account, answered);
    }

    fn sign_in(&mut self, account: usize, answered: Answered) {
        let tokens = match answered.answer {
            Ok(answer) => Tokens::read(&answer),
            Err(refusal) => Err(refusal.to_string()),
        };
        match tokens {
            Ok(tokens) => {
                self.show(&tokens);
                let mut session = Session::new(tokens);
                answered.tries.into_iter().for_each(|line| session.note(line));
                self.ledger.accounts[account].sessions.push(session);
            }
            Err(why) => {
                let email = &self.ledger.accounts[account].email;
                let story = answered.tries.join("\n");
                self.record.violation(format!("{email} cannot sign in: {why}\n{story}"));
            }
        }
    }

    pub(super) async fn refresh(&mut self, at: Place) {
        let presented = self.ledger.session(at).tokens.clone();
        let request = self.door.refresh(&presented.refresh);
        let answered = self.ask(&request).await;
        if answered.is_repeated() {
            self.record.count("repeated renewals");
        }
        let Some(answer) = self.expect_done(&[at], answered) else {
            return;
        };
        match Tokens::read(&answer) {
            // Never the presented token, nor another session's: the successor.
            Ok(new) if new.session == presented.session && new.generation == presented.generation + 1 => {
                self.show(&new);
                self.ledger.session_mut(at).tokens = new;
            }
            Ok(new) => self.break_off(at, &format!("generation {} of {} came", new.generation, new.session)),
            Err(why) => self.break_off(at, &why),
        }
    }

    pub(super) async fn me(&mut self, at: Place) {
        if let Some(access) = self.access_token(at).await {
            let request = self.door.me(&access);
            self.demand(&[at], &request).await;
        }
    }

    /// Once it is acknowledged, it is so for good; until then it is asked for again and again.
    pub(super) async fn logout(&mut self, at: Place, scope: &str) {
        let Some(access) = self.access_token(at).await else {
            return;
        };
        let refresh = self.ledger.session(at).tokens.refresh.clone();
        let proof = if self.chance.one_in(2) {
            Proof::Access(&access)
        } else {
            Proof::Refresh(&refresh)
        };
        let mut ending = self.ledger.places(at.account, State::Live);
        ending.retain(|place| match scope {
            "current" => *place == at,
            "others" => *place != at,
            _ => true,
        });
        let mut concerned = ending.clone();
        concerned.retain(|place| *place != at);
        concerned.push(at);
        let request = self.door.logout(proof, scope);
        if self.demand(&concerned, &request).await.is_some() {
            self.mark_ended(&ending);
            self.look_at_once(&ending).await;
        }
    }

    pub(super) async fn end_sibling(&mut self, at: Place) {
        let mut siblings = self.ledger.places(at.account, State::Live);
        siblings.retain(|place| *place != at);
        let Some(access) = self.access_token(at).await else {
            return;
        };
        if siblings.is_empty() {
            return;
        }
        let sibling = *self.chance.pick(&siblings);
        let id = self.ledger.session(sibling).tokens.session;
        let request = self.door.end_session(&access, id);
        if self.demand(&[sibling, at], &request).await.is_some() {
            self.mark_ended(&[sibling]);
            self.look_at_once(&[sibling]).await;
        }
    }

    /// The list holds every live session of the account and no ended one; more only where a sign-in's answer was lost.
    pub(super) async fn list_sessions(&mut self, at: Place) {
        let Some(access) = self.access_token(at).await else {
            return;
        };
        let request = self.door.sessions(&access);
        let Some(answer) = self.demand(&[at], &request).await else {
            return;
        };
        let mut listed: Vec<Uuid> = answer
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|session| session["id"].as_str()?.parse().ok())
            .collect();
        let sessions = self.ledger.accounts[at.account].sessions.len();
        for session in 0..sessions {
            let place = Place { session, ..at };
            let known = self.ledger.session(place);
            let (id, state) = (known.tokens.session, known.state);
            let is_listed = listed.contains(&id);
            listed.retain(|other| *other != id);
            if is_listed && state == State::Ended {
                self.break_off(place, "an ended session is in the list");
            } else if !is_listed && state == State::Live {
                self.break_off(place, "a live session is missing in the list");
            }
        }
        if listed.len() > self.ledger.accounts[at.account].lost_sign_ins {
            self.break_off(at, &format!("the list holds sessions that nobody opened: {listed:?}"));
        }
    }

    /// Neither of its tokens may do anything any more.
    pub(super) async fn confirm_end(&mut self, at: Place) {
        let tokens = self.ledger.session(at).tokens.clone();
        let request = self.door.refresh(&tokens.refresh);
        self.expect_refusal(at, &request, "REFRESH_TOKEN_INVALID", None).await;
        if tokens.is_access_usable() {
            let request = self.door.me(&tokens.access);
            self.expect_refusal(at, &request, "UNAUTHENTICATED", Some("revoked"))
                .await;
        }
    }

    /// An access token that has not expired, after a renewal if need be.
    async fn access_token(&mut self, at: Place) -> Option<String> {
        if !self.ledger.session(at).tokens.is_access_usable() {
            self.refresh(at).await;
        }
        let session = self.ledger.session(at);
        (session.state == State::Live).then(|| session.tokens.access.clone())
    }

    async fn demand(&mut self, concerned: &[Place], request: &Request) -> Option<Value> {
        let answered = self.ask(request).await;
        self.expect_done(concerned, answered)
    }

    /// The answer, which must be a success; the last place is the session that asks.
    fn expect_done(&mut self, concerned: &[Place], answered: Answered) -> Option<Value> {
        for place in concerned {
            for line in &answered.tries {
                self.ledger.session_mut(*place).note(line.clone());
            }
        }
        match answered.answer {
            Ok(answer) => Some(answer),
            Err(refusal) => {
                let asking = *concerned.last()?;
                self.break_off(asking, &format!("a live session is refused: {refusal}"));
                None
            }
        }
    }

    async fn expect_refusal(&mut self, at: Place, request: &Request, code: &str, reason: Option<&str>) {
        if self.ledger.session(at).state == State::Broken {
            return;
        }
        let answered = self.ask(request).await;
        let is_refused = answered
            .answer
            .as_ref()
            .is_err_and(|refusal| refusal.code == code && refusal.reason.as_deref() == reason);
        if !is_refused {
            for line in answered.tries {
                self.ledger.session_mut(at).note(line);
            }
            self.break_off(at, &format!("an ended session is not answered with {code}"));
        }
    }

    /// An end counts from its acknowledgement on, at every node: half of the time nothing happens in between.
    async fn look_at_once(&mut self, ended: &[Place]) {
        if !ended.is_empty() && self.chance.one_in(2) {
            let at = *self.chance.pick(ended);
            self.confirm_end(at).await;
        }
    }

    fn mark_ended(&mut self, places: &[Place]) {
        let clock = self.record.clock();
        for place in places {
            let session = self.ledger.session_mut(*place);
            session.state = State::Ended;
            session.note(format!("{clock} its end is acknowledged"));
        }
    }

    fn break_off(&mut self, at: Place, what: &str) {
        let email = self.ledger.accounts[at.account].email.clone();
        let session = self.ledger.session_mut(at);
        self.record.violation(format!("{what}\n{email}, {}", session.story()));
        session.state = State::Broken;
    }
}
