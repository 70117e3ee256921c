//! Simulated users that work at the same time. They check their expected state on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::user::{User, UserOptions};
use crate::client::Client;
use crate::record::Record;
use crate::rng::Rng;

/// Far longer than a check takes.
const CHECK_TIMEOUT: Duration = Duration::from_mins(5);

/// How much a check covers. Every check includes the ended sessions that two checks have not
/// confirmed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Also one in 6 live sessions, and one in 24 accounts and older ended sessions.
    Quick,
    /// Also every live session and every new account, and one in 24 other accounts and older ended
    /// sessions.
    Sample,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Load,
    Check(u32, CheckDepth),
    Stop,
}

pub struct UserPool {
    record: Arc<Record>,
    phase: watch::Sender<Phase>,
    checked: mpsc::UnboundedReceiver<()>,
    users: JoinSet<()>,
    checks: u32,
}

impl UserPool {
    /// Starts `size` users on these nodes.
    pub fn start(
        size: usize,
        options: &UserOptions,
        nodes: &[SocketAddr],
        record: &Arc<Record>,
        rng: &mut Rng,
    ) -> Self {
        let (phase, watched) = watch::channel(Phase::Load);
        let (done, checked) = mpsc::unbounded_channel();
        let client = Client::new(record);
        let mut users = JoinSet::new();
        for number in 0..size {
            let user = User::new(number, options.clone(), nodes, &client, rng.fork());
            users.spawn(run_user(user, watched.clone(), done.clone()));
        }
        Self {
            record: record.clone(),
            phase,
            checked,
            users,
            checks: 0,
        }
    }

    /// Every user finishes its operation, checks its expected state, and continues.
    pub async fn check(&mut self, depth: CheckDepth) {
        self.checks += 1;
        self.phase.send_replace(Phase::Check(self.checks, depth));
        let all_checked = async {
            let mut pending = self.users.len();
            while pending > 0 {
                tokio::select! {
                    _ = self.checked.recv() => pending -= 1,
                    Some(ended) = self.users.join_next() => {
                        self.record.violation(format!("a user ended early: {ended:?}"));
                        pending -= 1;
                    }
                }
            }
        };
        if tokio::time::timeout(CHECK_TIMEOUT, all_checked).await.is_err() {
            self.record
                .violation(format!("a check took longer than {CHECK_TIMEOUT:?}"));
        }
        self.phase.send_replace(Phase::Load);
    }

    /// Checks everything, then stops all users.
    pub async fn stop(&mut self) {
        self.check(CheckDepth::Full).await;
        self.phase.send_replace(Phase::Stop);
        while self.users.join_next().await.is_some() {}
    }
}

async fn run_user(mut user: User, mut phase: watch::Receiver<Phase>, done: mpsc::UnboundedSender<()>) {
    let mut last_check = 0;
    loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Load => user.act().await,
            Phase::Check(number, depth) if number != last_check => {
                user.check(depth).await;
                last_check = number;
                if done.send(()).is_err() {
                    return;
                }
            }
            Phase::Check(..) => {
                if phase.changed().await.is_err() {
                    return;
                }
            }
            Phase::Stop => return,
        }
    }
}
