//! Password hashing on threads of its own.
//!
//! A hash costs tens of milliseconds and megabytes: on the async threads it would stall every other request, and unbounded it
//! would take all memory. So a fixed number of threads, each with its memory kept from one hash to the next, works off a bounded
//! queue; beyond the queue the caller is told to come back.

use std::sync::Arc;
use std::thread;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, rand};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use metrics::gauge;
use password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use tokio::sync::oneshot;

use super::hash_costs::{HashCosts, cost, cost_of};
use crate::config::{Argon2Cost, PasswordSettings};
use crate::domain::account::PasswordHash;
use crate::domain::password::PresentedPassword;
use crate::domain::{Error, Result};

/// Length of a salt, in bytes (RFC 9106 section 3.1).
const SALT_BYTES: usize = 16;
/// Length of a hash, in bytes.
const HASH_BYTES: usize = 32;
/// Passwords that may wait for each thread, where no queue length is set.
const QUEUE_PER_THREAD: usize = 64;

/// The hashing threads.
#[derive(Debug)]
pub struct PasswordPool {
    jobs: Sender<Job>,
    costs: Arc<HashCosts>,
    stand_in: PasswordHash,
}

/// What comparing a password with a stored hash showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Matches,
    /// The password is right, and its hash has another cost than new ones: hash it again.
    MatchesAtOldCost,
    /// The password is wrong, or there was nothing to compare with.
    Differs,
}

struct Job {
    password: PresentedPassword,
    task: Task,
    answer: oneshot::Sender<Result<Done>>,
}

enum Task {
    Hash,
    Verify(PasswordHash),
}

enum Done {
    Hashed(PasswordHash),
    Compared { is_equal: bool },
}

impl PasswordPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system gives no thread, or the cost is none that argon2 knows.
    pub fn start(settings: &PasswordSettings) -> Result<Self> {
        let threads = settings
            .hash_threads
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let queue = settings.hash_queue.unwrap_or(threads.saturating_mul(QUEUE_PER_THREAD));
        let (jobs, waiting) = bounded(queue);
        let params = params(settings.cost)?;
        let costs = Arc::new(HashCosts::new(settings.cost));
        for number in 0..threads {
            let (waiting, params, costs) = (waiting.clone(), params.clone(), costs.clone());
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work(&waiting, &params, &costs))
                .map_err(Error::internal)?;
        }
        Ok(Self {
            jobs,
            costs,
            stand_in: stand_in(&params)?,
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

    /// Learns from stored hashes which costs are in use besides the configured one. A cost that it has not seen yet it learns when it
    /// first compares such a hash.
    pub fn learn_costs(&self, stored: &[PasswordHash]) {
        stored.iter().filter_map(cost_of).for_each(|seen| self.costs.note(seen));
    }

    /// Compares a password with a stored hash. A refusal is the same work whether the hash is new or old or there is none, so that the
    /// time tells nobody whether the account exists.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full.
    pub async fn verify(&self, password: PresentedPassword, stored: Option<&PasswordHash>) -> Result<Verdict> {
        let hash = stored.unwrap_or(&self.stand_in).clone();
        let is_old = stored.is_some_and(|stored| !self.has_current_cost(stored));
        let done = self.run(password, Task::Verify(hash)).await?;
        let is_equal = matches!(done, Done::Compared { is_equal: true }) && stored.is_some();
        Ok(match (is_equal, is_old) {
            (true, false) => Verdict::Matches,
            (true, true) => Verdict::MatchesAtOldCost,
            (false, _) => Verdict::Differs,
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

fn work(waiting: &Receiver<Job>, params: &Params, costs: &HashCosts) {
    let mut memory = vec![Block::default(); params.block_count()];
    for job in waiting {
        gauge!("auth_gateway_password_queue").decrement(1);
        // The client has gone: whoever waits behind it should not wait for its hash too.
        if job.answer.is_closed() {
            continue;
        }
        let done = match &job.task {
            Task::Hash => hash(&job.password, params, &mut memory).map(Done::Hashed),
            Task::Verify(stored) => {
                compare(&job.password, stored, costs, &mut memory).map(|is_equal| Done::Compared { is_equal })
            }
        };
        // One costly hash of old must not hold its memory for ever.
        memory.truncate(params.block_count());
        memory.shrink_to_fit();
        let _gone = job.answer.send(done);
    }
}

fn hash(password: &PresentedPassword, params: &Params, memory: &mut Vec<Block>) -> Result<PasswordHash> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| Error::internal("the system gives no random bytes"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut output = [0; HASH_BYTES];
    fill(&argon2, password, &salt, &mut output, memory)?;
    phc(params, &salt, &output)
}

fn compare(
    password: &PresentedPassword,
    stored: &PasswordHash,
    costs: &HashCosts,
    memory: &mut Vec<Block>,
) -> Result<bool> {
    let phc = Phc::new(&stored.0).map_err(Error::internal)?;
    let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(Error::internal)?;
    let version = phc
        .version
        .map_or(Ok(Version::V0x13), Version::try_from)
        .map_err(Error::internal)?;
    let params = Params::try_from(&phc).map_err(Error::internal)?;
    let (Some(salt), Some(expected)) = (phc.salt, phc.hash) else {
        return Err(Error::internal("a stored password hash has no salt or no hash"));
    };
    let mut output = vec![0; expected.len()];
    let paid = cost(&params);
    costs.note(paid);
    let argon2 = Argon2::new(algorithm, version, params);
    fill(&argon2, password, &salt, &mut output, memory)?;
    let is_equal = constant_time::verify_slices_are_equal(&output, expected.as_bytes()).is_ok();
    if !is_equal {
        for other in costs.but(paid) {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self::params(other)?);
            fill(&argon2, password, &[0; SALT_BYTES], &mut [0; HASH_BYTES], memory)?;
        }
    }
    Ok(is_equal)
}

fn fill(
    argon2: &Argon2,
    password: &PresentedPassword,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<()> {
    if memory.len() < argon2.params().block_count() {
        memory.resize(argon2.params().block_count(), Block::default());
    }
    argon2
        .hash_password_into_with_memory(password.expose(), salt, output, memory.as_mut_slice())
        .map_err(Error::internal)
}

fn params(cost: Argon2Cost) -> Result<Params> {
    Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(HASH_BYTES)).map_err(Error::internal)
}

/// A hash that no password has, at the configured cost.
fn stand_in(params: &Params) -> Result<PasswordHash> {
    phc(params, &[0; SALT_BYTES], &[0; HASH_BYTES])
}

fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Result<PasswordHash> {
    let phc = Phc {
        algorithm: argon2::ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(Error::internal)?,
        salt: Some(Salt::new(salt).map_err(Error::internal)?),
        hash: Some(Output::new(output).map_err(Error::internal)?),
    };
    Ok(PasswordHash(phc.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 128,
        iterations: 1,
        parallelism: 1,
    };

    fn pool(cost: Argon2Cost) -> PasswordPool {
        let settings = PasswordSettings {
            password_min_length: 8,
            cost,
            hash_threads: Some(1),
            hash_queue: Some(1),
        };
        PasswordPool::start(&settings).unwrap()
    }

    fn password(text: &str) -> PresentedPassword {
        PresentedPassword::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_hash_matches_its_password_alone_and_is_never_the_same_twice() {
        let pool = pool(CHEAP);
        let hash = pool.hash(password("correct horse")).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=128,t=1,p=1$"), "{}", hash.0);
        assert_eq!(
            pool.verify(password("correct horse"), Some(&hash)).await.unwrap(),
            Verdict::Matches
        );
        assert_eq!(
            pool.verify(password("battery staple"), Some(&hash)).await.unwrap(),
            Verdict::Differs
        );
        assert_ne!(pool.hash(password("correct horse")).await.unwrap(), hash);
    }

    #[tokio::test]
    async fn without_a_stored_hash_no_password_matches() {
        assert_eq!(
            pool(CHEAP).verify(password("anything"), None).await.unwrap(),
            Verdict::Differs
        );
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_still_matches_and_says_so() {
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
            Verdict::MatchesAtOldCost
        );
    }

    #[tokio::test]
    async fn the_default_cost_makes_the_hash_that_the_reference_implementation_makes() {
        // From the argon2 command of the reference implementation: argon2 somesaltsomesalt -id -t 2 -k 19456 -p 1 -l 32
        let params = params(Argon2Cost {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
        })
        .unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut output = [0; HASH_BYTES];
        fill(
            &argon2,
            &password("password"),
            b"somesaltsomesalt",
            &mut output,
            &mut Vec::new(),
        )
        .unwrap();
        assert_eq!(output, REFERENCE);
    }

    const REFERENCE: [u8; HASH_BYTES] = [
        0x2b, 0x5d, 0xc4, 0x05, 0x48, 0x86, 0xec, 0x95, 0x7e, 0xf5, 0x9c, 0x73, 0xb6, 0x61, 0xc5, 0x4d, 0xd6, 0xfb,
        0x27, 0x45, 0x90, 0xb2, 0x78, 0xf6, 0x57, 0xc6, 0xd9, 0x6a, 0xac, 0x8f, 0xa6, 0xd1,
    ];

    #[tokio::test]
    async fn beyond_the_queue_the_caller_is_told_to_come_back() {
        let (jobs, waiting) = bounded(1);
        let pool = PasswordPool {
            jobs,
            costs: Arc::new(HashCosts::new(CHEAP)),
            stand_in: stand_in(&params(CHEAP).unwrap()).unwrap(),
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
            "nobody works off this queue"
        );
        drop(waiting);
    }
}
