//! Passwords: the rules for new ones, and how they are hashed.

use clap::Args;

use crate::config::environment::SettingError;
use crate::config::values;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Passwords")]
pub struct PasswordSettings {
    /// Least length of a new password, in characters
    #[arg(long, global = true, default_value = "8", value_parser = |text: &str| values::number(text, 1_usize, 64, 12))]
    pub password_min_length: usize,
    /// Words that a new password must not be, in addition to the names of the account and the
    /// gateway: your company, your product. Separated by commas
    #[arg(long, global = true, value_delimiter = ',', value_parser = values::text)]
    pub password_context_words: Vec<String>,
    /// The cost of a hash.
    #[command(flatten)]
    pub cost: Argon2Cost,
    /// Threads that hash passwords. Unset: one for each core
    #[arg(long, global = true, value_parser = |text: &str| values::number(text, 1_usize, 1024, 4))]
    pub hash_threads: Option<usize>,
    /// Most passwords that wait for a hashing thread. Unset: 64 for each thread
    #[arg(long, global = true, value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 256))]
    pub hash_queue: Option<usize>,
    /// Nice value of the hashing threads on Linux, from 0 to 19: how far the other threads are
    /// preferred
    #[arg(long, global = true, default_value = "2", value_parser = |text: &str| values::number(text, 0_i32, 19, 2))]
    pub hash_nice: i32,
}

/// The cost of a password hash (RFC 9106). A password whose stored hash has another cost is hashed
/// again when its account signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[command(next_help_heading = "Passwords")]
pub struct Argon2Cost {
    /// Memory of one hash, in KiB
    #[arg(long = "argon2-memory-kib", global = true, default_value = "19456", value_parser = |text: &str| values::number(text, 128_u32, 4_194_304, 19_456))]
    pub memory_kib: u32,
    /// Passes over the memory
    #[arg(long = "argon2-iterations", global = true, default_value = "2", value_parser = |text: &str| values::number(text, 1_u32, 100, 2))]
    pub iterations: u32,
    /// Lanes of the memory
    #[arg(long = "argon2-parallelism", global = true, default_value = "1", value_parser = |text: &str| values::number(text, 1_u32, 16, 1))]
    pub parallelism: u32,
}

impl PasswordSettings {
    /// The memory needs eight blocks for each of the lanes (RFC 9106 section 3.1).
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let Argon2Cost {
            memory_kib,
            parallelism,
            ..
        } = self.cost;
        if memory_kib < 8 * parallelism {
            return Err(SettingError(format!(
                "ARGON2_MEMORY_KIB is \"{memory_kib}\", which must be at least 8 for each of ARGON2_PARALLELISM, for example 19456."
            )));
        }
        Ok(())
    }
}
