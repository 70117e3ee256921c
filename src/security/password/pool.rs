//! A pool of password hashing threads with a bounded queue.
//!
//! A hash takes tens of milliseconds and megabytes. On the async threads it would block every other
//! request, and without a bound it would take all memory. So a fixed number of threads
//! (`hashing_thread.rs`) takes passwords from the queue in order of arrival. When the queue is
//! full, the caller gets `Unavailable`.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Sender, TrySendError, bounded};
use metrics::gauge;
use password_hash::phc::PasswordHash as Phc;
use tokio::sync::oneshot;

use crate::config::PasswordSettings;
use crate::domain::password::{PasswordHash, PresentedPassword};
use crate::domain::{Error, Result};
use crate::security::password::hash_costs::{HashCosts, cost_of};
use crate::security::password::hashing_thread::{Done, HashingThread, Job, Task, dummy_hash, params};
use crate::security::password::thread_priority;

/// Queue length for each thread, if `HASH_QUEUE` is not set.
const QUEUE_PER_THREAD: usize = 64;

/// The hashing threads.
#[derive(Debug)]
pub struct PasswordPool {
    jobs: Sender<Job>,
    costs: Arc<HashCosts>,
    dummy_hash: PasswordHash,
}

/// The result of comparing a password with a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordVerification {
    /// The password is right.
    Matches,
    /// The password is right, and its hash has another cost than new hashes: hash it again.
    MatchesAtOldCost,
    /// The password is wrong, or there is no stored hash.
    Differs,
}

impl PasswordPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread, or argon2 does not allow the cost.
    pub fn start(settings: &PasswordSettings) -> Result<Self> {
        let threads = settings
            .hash_threads
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let queue = settings.hash_queue.unwrap_or(threads.saturating_mul(QUEUE_PER_THREAD));
        let (jobs, waiting) = bounded(queue);
        let params = params(settings.cost)?;
        let costs = Arc::new(HashCosts::new(settings.cost));
        for number in 0..threads {
            let hashing = HashingThread::new(waiting.clone(), params.clone(), costs.clone());
            let nice = settings.hash_nice;
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || {
                    thread_priority::lower_priority(nice);
                    hashing.work();
                })
                .map_err(Error::internal)?;
        }
        Ok(Self {
            jobs,
            costs,
            dummy_hash: dummy_hash(&params)?,
        })
    }

    /// Hashes a password at the configured cost, with a fresh salt.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full.
    pub async fn hash(&self, password: PresentedPassword) -> Result<PasswordHash> {
        match self.run(password, Task::Hash).await? {
            Done::Hashed(hash) => Ok(hash),
            Done::Compared { .. } => Err(Error::internal("a hashing job was answered as a comparison")),
        }
    }

    /// Records the costs of stored hashes, so that refused logins take the same time from the
    /// start. Further costs are recorded when a hash of that cost is first compared.
    pub fn learn_costs(&self, stored: &[PasswordHash]) {
        stored
            .iter()
            .filter_map(cost_of)
            .for_each(|seen| self.costs.record(seen));
    }

    /// Compares a password with a stored hash. A refusal takes the same work whether the hash is
    /// new, old or missing, so that its time does not reveal whether the account exists.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full.
    pub async fn verify(
        &self,
        password: PresentedPassword,
        stored: Option<&PasswordHash>,
    ) -> Result<PasswordVerification> {
        let hash = stored.unwrap_or(&self.dummy_hash).clone();
        let is_old = stored.is_some_and(|stored| !self.has_current_cost(stored));
        let done = self.run(password, Task::Verify(hash)).await?;
        let is_equal = matches!(done, Done::Compared { is_equal: true }) && stored.is_some();
        Ok(match (is_equal, is_old) {
            (true, false) => PasswordVerification::Matches,
            (true, true) => PasswordVerification::MatchesAtOldCost,
            (false, _) => PasswordVerification::Differs,
        })
    }

    async fn run(&self, password: PresentedPassword, task: Task) -> Result<Done> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(Job { password, task, answer })
            .map_err(|error| match error {
                TrySendError::Full(_) => Error::unavailable("the queue of the hashing threads is full"),
                TrySendError::Disconnected(_) => Error::internal("the hashing threads are gone"),
            })?;
        gauge!("auth_gateway_password_queue").increment(1);
        answered.await.map_err(Error::internal)?
    }

    fn has_current_cost(&self, stored: &PasswordHash) -> bool {
        let is_argon2id = Phc::new(&stored.0).is_ok_and(|hash| hash.algorithm == argon2::ARGON2ID_IDENT);
        is_argon2id && cost_of(stored) == Some(self.costs.configured())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Argon2Cost;

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 128,
        iterations: 1,
        parallelism: 1,
    };

    fn pool(cost: Argon2Cost) -> PasswordPool {
        let settings = PasswordSettings {
            password_min_length: 8,
            password_context_words: Vec::new(),
            cost,
            hash_threads: Some(1),
            hash_queue: Some(1),
            hash_nice: 0,
        };
        PasswordPool::start(&settings).unwrap()
    }

    fn password(text: &str) -> PresentedPassword {
        PresentedPassword::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_hash_matches_only_its_password_and_has_a_fresh_salt() {
        let pool = pool(CHEAP);
        let hash = pool.hash(password("correct horse")).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=128,t=1,p=1$"), "{}", hash.0);
        assert_eq!(
            pool.verify(password("correct horse"), Some(&hash)).await.unwrap(),
            PasswordVerification::Matches
        );
        assert_eq!(
            pool.verify(password("battery staple"), Some(&hash)).await.unwrap(),
            PasswordVerification::Differs
        );
        assert_ne!(pool.hash(password("correct horse")).await.unwrap(), hash);
    }

    #[tokio::test]
    async fn without_a_stored_hash_no_password_matches() {
        assert_eq!(
            pool(CHEAP).verify(password("anything"), None).await.unwrap(),
            PasswordVerification::Differs
        );
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_matches_at_old_cost() {
        let hash = pool(Argon2Cost {
            memory_kib: 256,
            iterations: 2,
            parallelism: 2,
        })
        .hash(password("correct horse"))
        .await
        .unwrap();
        assert_eq!(
            pool(CHEAP)
                .verify(password("correct horse"), Some(&hash))
                .await
                .unwrap(),
            PasswordVerification::MatchesAtOldCost
        );
    }

    #[tokio::test]
    async fn hashes_of_other_argon2_variants_match_at_old_cost() {
        // From the tests of the reference implementation, which omits version 0x10 in its hashes.
        let stored = [
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ];
        let pool = pool(CHEAP);
        for stored in stored.map(|text| PasswordHash(text.to_owned())) {
            let right = pool.verify(password("password"), Some(&stored)).await.unwrap();
            let wrong = pool.verify(password("passwordx"), Some(&stored)).await.unwrap();
            assert_eq!(
                (right, wrong),
                (PasswordVerification::MatchesAtOldCost, PasswordVerification::Differs),
                "{}",
                stored.0
            );
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_further_passwords() {
        let (jobs, waiting) = bounded(1);
        let pool = PasswordPool {
            jobs,
            costs: Arc::new(HashCosts::new(CHEAP)),
            dummy_hash: dummy_hash(&params(CHEAP).unwrap()).unwrap(),
        };
        let waiting_one = pool.hash(password("first one"));
        let refused = tokio::select! {
            biased;
            _ = waiting_one => None,
            answer = pool.hash(password("second one")) => answer.err(),
        };
        assert_eq!(
            refused.map(|error| error.code()),
            Some("UNAVAILABLE"),
            "no thread takes passwords from this queue"
        );
        drop(waiting);
    }
}
