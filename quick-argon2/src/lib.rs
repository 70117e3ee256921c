#![doc = include_str!("../README.md")]

#[cfg(target_arch = "x86_64")]
mod block;
#[cfg(target_arch = "x86_64")]
mod digest;
#[cfg(target_arch = "x86_64")]
mod fill;
mod pages;
mod params;

use std::fmt;

pub use argon2::{Algorithm, AssociatedData, Error, Params, ParamsBuilder, Result, Version};
pub use params::HashParams;

use argon2::Argon2;
use zeroize::Zeroize;

/// Working memory that is kept from one hash to the next, and wiped on drop.
///
/// One hash runs at a time, on the calling thread. To hash on several threads, give each thread a
/// `HashMemory` of its own.
pub struct HashMemory(Blocks);

enum Blocks {
    /// Made in [`HashMemory::with_capacity`] alone, after the processor has reported AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(Vec<block::Block>),
    Portable(Vec<argon2::Block>),
}

impl HashMemory {
    /// Reserves address space for `blocks` blocks of 1 KiB ([`Params::block_count`]). The first
    /// hash touches the pages. On x86-64 with AVX2, hashes run the AVX2 code of this crate; on any
    /// other processor, the `argon2` crate.
    ///
    /// A hash that needs more blocks replaces the memory by a larger one, which is kept. If the
    /// system refuses the memory, the hash reports [`Error::OutOfMemory`].
    ///
    /// ```
    /// use quick_argon2::{HashMemory, HashParams, Params};
    ///
    /// # fn main() -> quick_argon2::Result<()> {
    /// let params = HashParams::argon2id(Params::new(64, 1, 1, None)?);
    /// let mut memory = HashMemory::with_capacity(params.costs.block_count());
    /// let mut hash = [0; 32];
    /// memory.hash(&params, b"password", b"somesalt", &mut hash)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_capacity(blocks: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self(Blocks::Avx2(pages::reserve(blocks).unwrap_or_default()));
        }
        Self::portable_with_capacity(blocks)
    }

    /// The same, but every hash runs the `argon2` crate, on any processor: for comparison.
    ///
    /// ```
    /// use quick_argon2::{HashMemory, HashParams, Params};
    ///
    /// # fn main() -> quick_argon2::Result<()> {
    /// let params = HashParams::argon2id(Params::new(64, 1, 1, None)?);
    /// let (mut quick, mut portable) = ([0; 32], [0; 32]);
    /// HashMemory::with_capacity(64).hash(&params, b"password", b"somesalt", &mut quick)?;
    /// let mut memory = HashMemory::portable_with_capacity(64);
    /// memory.hash(&params, b"password", b"somesalt", &mut portable)?;
    /// assert_eq!(quick, portable);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn portable_with_capacity(blocks: usize) -> Self {
        Self(Blocks::Portable(pages::reserve(blocks).unwrap_or_default()))
    }

    /// Overwrites what the last hash left, and keeps the memory.
    ///
    /// From its blocks an attacker could test guesses of the password at a fraction of the cost.
    /// The next hash overwrites them too, so call this before a pause in which no hash is
    /// expected.
    ///
    /// ```
    /// use quick_argon2::{HashMemory, HashParams, Params};
    ///
    /// # fn main() -> quick_argon2::Result<()> {
    /// let params = HashParams::argon2id(Params::new(64, 1, 1, None)?);
    /// let mut memory = HashMemory::with_capacity(64);
    /// let (mut first, mut second) = ([0; 32], [0; 32]);
    /// memory.hash(&params, b"password", b"somesalt", &mut first)?;
    /// memory.wipe();
    /// memory.hash(&params, b"password", b"somesalt", &mut second)?;
    /// assert_eq!(first, second);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wipe(&mut self) {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => blocks.iter_mut().for_each(Zeroize::zeroize),
            Blocks::Portable(blocks) => blocks.iter_mut().for_each(Zeroize::zeroize),
        }
    }

    /// Hashes a password into all of `output`: the length of `output` is the length of the hash.
    ///
    /// # Errors
    /// - [`Error::OutputTooShort`], [`Error::OutputTooLong`]: `output` has another length than
    ///   [`Params::output_len`] states; or, if none is stated, fewer than 4 bytes.
    /// - [`Error::SaltTooShort`]: fewer than 8 bytes.
    /// - [`Error::PwdTooLong`], [`Error::SaltTooLong`], [`Error::SecretTooLong`]: 4 GiB or more.
    /// - [`Error::OutOfMemory`]: the system refuses the memory.
    ///
    /// On an error `output` is unchanged.
    ///
    /// ```
    /// use quick_argon2::{Error, HashMemory, HashParams, Params};
    ///
    /// # fn main() -> quick_argon2::Result<()> {
    /// let params = HashParams::argon2id(Params::new(64, 1, 1, None)?);
    /// let mut memory = HashMemory::with_capacity(64);
    /// let result = memory.hash(&params, b"password", b"salt", &mut [0; 32]);
    /// assert_eq!(result, Err(Error::SaltTooShort));
    /// # Ok(())
    /// # }
    /// ```
    pub fn hash(&mut self, params: &HashParams, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<()> {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => {
                check_lengths(params, password, salt, output)?;
                let initial = digest::initial_hash(params, password, salt, output.len())?;
                // SAFETY: `fill` requires AVX2 and nothing else. `Blocks::Avx2` exists only if
                // `is_x86_feature_detected!` has reported AVX2 on this processor.
                #[expect(unsafe_code, reason = "a function with target features is called from one without")]
                let last = unsafe { fill::fill(blocks, params, &*initial) }?;
                digest::variable_length_hash(&[&*last], output);
                Ok(())
            }
            Blocks::Portable(blocks) => {
                pages::grow(blocks, params.costs.block_count(), argon2::Block::new())?;
                Argon2::new_with_secret(params.secret, params.algorithm, params.version, params.costs.clone())?
                    .hash_password_into_with_memory(password, salt, output, blocks)
            }
        }
    }
}

/// Leaves out the blocks: they are as secret as the password.
impl fmt::Debug for HashMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (implementation, blocks) = match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => ("avx2", blocks.len()),
            Blocks::Portable(blocks) => ("argon2", blocks.len()),
        };
        formatter
            .debug_struct("HashMemory")
            .field("implementation", &implementation)
            .field("blocks", &blocks)
            .finish_non_exhaustive()
    }
}

impl Drop for HashMemory {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The bounds of RFC 9106 section 3.1, with the errors of the `argon2` crate in its order.
#[cfg(target_arch = "x86_64")]
fn check_lengths(params: &HashParams, password: &[u8], salt: &[u8], output: &[u8]) -> Result<()> {
    let stated = params.costs.output_len();
    if params.secret.len() > argon2::MAX_SECRET_LEN {
        return Err(Error::SecretTooLong);
    }
    if output.len() < stated.unwrap_or(Params::MIN_OUTPUT_LEN) {
        return Err(Error::OutputTooShort);
    }
    if output.len() > stated.unwrap_or(Params::MAX_OUTPUT_LEN) {
        return Err(Error::OutputTooLong);
    }
    if password.len() > argon2::MAX_PWD_LEN {
        return Err(Error::PwdTooLong);
    }
    match salt.len() {
        0..argon2::MIN_SALT_LEN => Err(Error::SaltTooShort),
        argon2::MIN_SALT_LEN..=argon2::MAX_SALT_LEN => Ok(()),
        _ => Err(Error::SaltTooLong),
    }
}

#[cfg(test)]
mod tests;
