//! A hashing thread: it takes the next password, hashes or compares it, and answers.
//!
//! The memory is allocated at the first hash and kept, so that later hashes do not wait for the
//! system to map it.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Params, Version};
use aws_lc_rs::{constant_time, rand};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use metrics::gauge;
use password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use tokio::sync::oneshot;

use crate::config::Argon2Cost;
use crate::domain::password::{PasswordHash, PresentedPassword};
use crate::domain::{Error, Result};
use crate::security::password::argon2_memory::{HashMemory, HashParams};
use crate::security::password::hash_costs::{HashCosts, cost};

/// Length of a salt, in bytes (RFC 9106 section 3.1).
const SALT_BYTES: usize = 16;
/// Length of a hash, in bytes.
const HASH_BYTES: usize = 32;
/// An idle thread wipes its memory after this time. A next hash would overwrite it, but may not
/// come.
const WIPE_DELAY: Duration = Duration::from_secs(1);

/// A password, the task, and the channel for the answer.
pub(crate) struct Job {
    pub(crate) password: PresentedPassword,
    pub(crate) task: Task,
    pub(crate) answer: oneshot::Sender<Result<Done>>,
}

pub(crate) enum Task {
    Hash,
    Verify(PasswordHash),
}

pub(crate) enum Done {
    Hashed(PasswordHash),
    Compared { is_equal: bool },
}

pub(crate) struct HashingThread {
    waiting: Receiver<Job>,
    params: Params,
    costs: Arc<HashCosts>,
    memory: HashMemory,
}

impl HashingThread {
    pub(crate) fn new(waiting: Receiver<Job>, params: Params, costs: Arc<HashCosts>) -> Self {
        Self {
            memory: HashMemory::with_capacity(params.block_count()),
            waiting,
            params,
            costs,
        }
    }

    /// Runs until the pool is dropped.
    pub(crate) fn work(mut self) {
        while let Some(job) = self.next() {
            gauge!("auth_gateway_password_queue").decrement(1);
            // The client is gone: do not make the next ones wait for a hash that is no longer
            // needed.
            if job.answer.is_closed() {
                continue;
            }
            let done = match &job.task {
                Task::Hash => self.hash(&job.password).map(Done::Hashed),
                Task::Verify(stored) => self
                    .compare(&job.password, stored)
                    .map(|is_equal| Done::Compared { is_equal }),
            };
            let _gone = job.answer.send(done);
        }
    }

    fn next(&mut self) -> Option<Job> {
        match self.waiting.recv_timeout(WIPE_DELAY) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => {
                self.memory.wipe();
                self.waiting.recv().ok()
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn hash(&mut self, password: &PresentedPassword) -> Result<PasswordHash> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| Error::internal("the system gives no random bytes"))?;
        let mut output = [0; HASH_BYTES];
        self.fill(&HashParams::argon2id(self.params.clone()), password, &salt, &mut output)?;
        phc(&self.params, &salt, &output)
    }

    fn compare(&mut self, password: &PresentedPassword, stored: &PasswordHash) -> Result<bool> {
        let phc = Phc::new(&stored.0).map_err(Error::internal)?;
        let hash_params = hash_params(&phc)?;
        let (Some(salt), Some(expected)) = (phc.salt, phc.hash) else {
            return Err(Error::internal("a stored password hash has no salt or no hash"));
        };
        let mut output = vec![0; expected.len()];
        let computed = cost(&hash_params.costs);
        self.costs.record(computed);
        self.fill(&hash_params, password, &salt, &mut output)?;
        let is_equal = constant_time::verify_slices_are_equal(&output, expected.as_bytes()).is_ok();
        if !is_equal {
            for other in self.costs.all_except(computed) {
                let hash_params = HashParams::argon2id(params(other)?);
                self.fill(&hash_params, password, &[0; SALT_BYTES], &mut [0; HASH_BYTES])?;
            }
        }
        Ok(is_equal)
    }

    fn fill(
        &mut self,
        hash_params: &HashParams,
        password: &PresentedPassword,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<()> {
        let blocks = hash_params.costs.block_count();
        let mut temporary;
        let memory = if blocks > self.params.block_count() {
            // A stored hash of a higher cost must not make the thread keep more memory.
            temporary = HashMemory::with_capacity(blocks);
            &mut temporary
        } else {
            &mut self.memory
        };
        memory
            .hash(hash_params, password.expose(), salt, output)
            .map_err(Error::internal)
    }
}

/// The parameters of a stored hash: any algorithm and version of argon2, at any cost.
fn hash_params(phc: &Phc) -> Result<HashParams<'static>> {
    Ok(HashParams {
        algorithm: Algorithm::try_from(phc.algorithm.as_str()).map_err(Error::internal)?,
        // The reference implementation writes no version into its hashes of version 0x10.
        version: phc
            .version
            .map_or(Ok(Version::V0x10), Version::try_from)
            .map_err(Error::internal)?,
        costs: Params::try_from(phc).map_err(Error::internal)?,
        secret: &[],
    })
}

/// Converts to the library's type.
pub(crate) fn params(cost: Argon2Cost) -> Result<Params> {
    Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(HASH_BYTES)).map_err(Error::internal)
}

/// A hash at the configured cost that matches no password. It is compared if there is no account.
pub(crate) fn dummy_hash(params: &Params) -> Result<PasswordHash> {
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
    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn the_default_cost_gives_the_hash_of_the_reference_implementation() {
        // From the command of the reference implementation:
        // argon2 somesaltsomesalt -id -t 2 -k 19456 -p 1 -l 32
        let params = params(Argon2Cost {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
        })
        .unwrap();
        let (_jobs, waiting) = bounded(1);
        let costs = Arc::new(HashCosts::new(cost(&params)));
        let mut thread = HashingThread::new(waiting, params.clone(), costs);
        let password = PresentedPassword::parse("password").unwrap();
        let mut output = [0; HASH_BYTES];
        thread
            .fill(
                &HashParams::argon2id(params),
                &password,
                b"somesaltsomesalt",
                &mut output,
            )
            .unwrap();
        assert_eq!(output, REFERENCE);
    }

    const REFERENCE: [u8; HASH_BYTES] = [
        0x2b, 0x5d, 0xc4, 0x05, 0x48, 0x86, 0xec, 0x95, 0x7e, 0xf5, 0x9c, 0x73, 0xb6, 0x61, 0xc5, 0x4d, 0xd6, 0xfb,
        0x27, 0x45, 0x90, 0xb2, 0x78, 0xf6, 0x57, 0xc6, 0xd9, 0x6a, 0xac, 0x8f, 0xa6, 0xd1,
    ];
}
