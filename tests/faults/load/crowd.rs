//! Clients at work at the same time, who can all be told to check their ledgers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::person::{Habits, Person};
use crate::chance::Chance;
use crate::client::Client;
use crate::record::Record;

/// Far more than a check takes.
const CHECK_PATIENCE: Duration = Duration::from_mins(5);

/// How much of the ledger a check goes through. In any case every end that two checks have not confirmed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Also one in six of the live sessions, and one in twenty-four of the accounts and of the older ends.
    Glance,
    /// Also every live session, every new account, and one in twenty-four of the other accounts and of the older ends.
    Sample,
    /// Everything.
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Load,
    Check(u32, Depth),
    Leave,
}

pub struct Crowd {
    record: Arc<Record>,
    phase: watch::Sender<Phase>,
    checked: mpsc::UnboundedReceiver<()>,
    people: JoinSet<()>,
    checks: u32,
}

impl Crowd {
    /// So many clients of these nodes begin their work.
    pub fn gather(
        size: usize,
        habits: &Habits,
        nodes: &[SocketAddr],
        record: &Arc<Record>,
        chance: &mut Chance,
    ) -> Self {
        let (phase, watched) = watch::channel(Phase::Load);
        let (done, checked) = mpsc::unbounded_channel();
        let client = Client::new(record);
        let mut people = JoinSet::new();
        for number in 0..size {
            let person = Person::new(number, habits.clone(), nodes, &client, chance.branch());
            people.spawn(take_part(person, watched.clone(), done.clone()));
        }
        Self {
            record: record.clone(),
            phase,
            checked,
            people,
            checks: 0,
        }
    }

    /// Everybody finishes what is under way, checks the ledger, and goes on.
    pub async fn check(&mut self, depth: Depth) {
        self.checks += 1;
        self.phase.send_replace(Phase::Check(self.checks, depth));
        let everybody = async {
            let mut missing = self.people.len();
            while missing > 0 {
                tokio::select! {
                    _ = self.checked.recv() => missing -= 1,
                    Some(ended) = self.people.join_next() => {
                        self.record.violation(format!("a client gave up: {ended:?}"));
                        missing -= 1;
                    }
                }
            }
        };
        if tokio::time::timeout(CHECK_PATIENCE, everybody).await.is_err() {
            self.record
                .violation(format!("a check took longer than {CHECK_PATIENCE:?}"));
        }
        self.phase.send_replace(Phase::Load);
    }

    /// A last check of everything; then everybody leaves.
    pub async fn disperse(&mut self) {
        self.check(Depth::Everything).await;
        self.phase.send_replace(Phase::Leave);
        while self.people.join_next().await.is_some() {}
    }
}

async fn take_part(mut person: Person, mut phase: watch::Receiver<Phase>, done: mpsc::UnboundedSender<()>) {
    let mut last = 0;
    loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Load => person.act().await,
            Phase::Check(number, depth) if number != last => {
                person.check(depth).await;
                last = number;
                if done.send(()).is_err() {
                    return;
                }
            }
            Phase::Check(..) => {
                if phase.changed().await.is_err() {
                    return;
                }
            }
            Phase::Leave => return,
        }
    }
}
