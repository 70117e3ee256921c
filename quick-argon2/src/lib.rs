//! argon2 (RFC 9106) in memory that is kept from one hash to the next.
//!
//! The work is that of the `argon2` crate, to the bit, for every algorithm, version and cost. On x86-64 with AVX2 this crate fills the
//! memory itself, in about half the time: it keeps the block at hand in one place, where the crate copies it three times, and it has the
//! next block that a step refers to fetched while the step before is still at work. Every other processor gets the crate. For both the memory
//! is in large pages, where the system has them.

#[cfg(target_arch = "x86_64")]
mod block;
#[cfg(target_arch = "x86_64")]
mod digest;
#[cfg(target_arch = "x86_64")]
mod fill;
mod pages;

use argon2::{Algorithm, Argon2, Params, Result, Version};
use zeroize::Zeroize;

/// What to make of a password: everything that a hash states about itself.
#[derive(Debug, Clone)]
pub struct Recipe<'secret> {
    /// Which argon2.
    pub algorithm: Algorithm,
    /// Which revision of it.
    pub version: Version,
    /// Memory, passes, lanes.
    pub params: Params,
    /// A key that is hashed too (RFC 9106 section 3.1); empty for none.
    pub secret: &'secret [u8],
}

/// The memory that hashes are made in. It is wiped when it goes.
#[derive(Debug)]
pub struct Memory(Blocks);

#[derive(Debug)]
enum Blocks {
    #[cfg(target_arch = "x86_64")]
    Avx2(Vec<block::Block>),
    Portable(Vec<argon2::Block>),
}

impl Memory {
    /// Room for so many blocks of 1 KiB, for the fastest code that this processor can run. The system need not find it before the first
    /// hash; a hash that takes more finds more, and it is kept.
    #[must_use]
    pub fn new(room: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self(Blocks::Avx2(pages::room(room)));
        }
        Self::portable(room)
    }

    /// The same for the `argon2` crate, on any processor.
    #[must_use]
    pub fn portable(room: usize) -> Self {
        Self(Blocks::Portable(pages::room(room)))
    }

    /// Overwrites what the last hash left. Whoever reads it could try passwords at a fraction of the cost.
    pub fn wipe(&mut self) {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => blocks.iter_mut().for_each(Zeroize::zeroize),
            Blocks::Portable(blocks) => blocks.iter_mut().for_each(Zeroize::zeroize),
        }
    }

    /// Hashes a password into all of `output`.
    ///
    /// # Errors
    /// Where the salt or the output has a length that argon2, or the recipe, does not allow.
    pub fn hash(&mut self, recipe: &Recipe, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<()> {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => {
                check(recipe, password, salt, output)?;
                let first = digest::initial(recipe, password, salt, output.len())?;
                // SAFETY: `Avx2` is made in `new` alone, which has asked the processor.
                #[expect(unsafe_code, reason = "code for AVX2 is called from code for any processor")]
                let last = unsafe { fill::fill(blocks, recipe, &*first) };
                digest::long(&[&*last], output);
                Ok(())
            }
            Blocks::Portable(blocks) => {
                if blocks.len() < recipe.params.block_count() {
                    blocks.resize(recipe.params.block_count(), argon2::Block::new());
                }
                let Recipe {
                    algorithm,
                    version,
                    params,
                    secret,
                } = recipe;
                Argon2::new_with_secret(secret, *algorithm, *version, params.clone())?
                    .hash_password_into_with_memory(password, salt, output, blocks)
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The bounds of RFC 9106 section 3.1, in the words of the `argon2` crate.
#[cfg(target_arch = "x86_64")]
fn check(recipe: &Recipe, password: &[u8], salt: &[u8], output: &[u8]) -> Result<()> {
    use argon2::Error;

    let wanted = recipe.params.output_len();
    if output.len() < wanted.unwrap_or(Params::MIN_OUTPUT_LEN) {
        return Err(Error::OutputTooShort);
    }
    if output.len() > wanted.unwrap_or(Params::MAX_OUTPUT_LEN) {
        return Err(Error::OutputTooLong);
    }
    if password.len() > argon2::MAX_PWD_LEN {
        return Err(Error::PwdTooLong);
    }
    if recipe.secret.len() > argon2::MAX_SECRET_LEN {
        return Err(Error::SecretTooLong);
    }
    match salt.len() {
        0..argon2::MIN_SALT_LEN => Err(Error::SaltTooShort),
        argon2::MIN_SALT_LEN..=argon2::MAX_SALT_LEN => Ok(()),
        _ => Err(Error::SaltTooLong),
    }
}

#[cfg(test)]
mod tests;
