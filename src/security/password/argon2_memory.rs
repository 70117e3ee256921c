//! The implementation of argon2, chosen by the cargo feature `quick-argon2`.
//!
//! With the feature, which is the default, it is the crate `quick-argon2` of this workspace.
//! Without it, it is the `argon2` crate alone, for builds that must contain no other code for
//! hashing. Both make the same hashes, have the same types, and pass the same tests.

#[cfg(not(feature = "quick-argon2"))]
pub(crate) use portable::{HashMemory, HashParams};
#[cfg(feature = "quick-argon2")]
pub(crate) use quick_argon2::{HashMemory, HashParams};

#[cfg(not(feature = "quick-argon2"))]
mod portable {
    use argon2::{Algorithm, Argon2, Block, Error, Params, Result, Version};
    use zeroize::Zeroize;

    pub(crate) struct HashParams<'secret> {
        pub(crate) algorithm: Algorithm,
        pub(crate) version: Version,
        pub(crate) costs: Params,
        /// Empty for none.
        pub(crate) secret: &'secret [u8],
    }

    impl HashParams<'_> {
        pub(crate) const fn argon2id(costs: Params) -> Self {
            Self {
                algorithm: Algorithm::Argon2id,
                version: Version::V0x13,
                costs,
                secret: &[],
            }
        }
    }

    /// Memory that is kept from one hash to the next, and wiped on drop.
    pub(crate) struct HashMemory(Vec<Block>);

    impl HashMemory {
        /// Takes no page from the system before the first hash.
        pub(crate) fn with_capacity(blocks: usize) -> Self {
            Self(Vec::with_capacity(blocks))
        }

        /// Overwrites what the last hash left, and keeps the memory.
        pub(crate) fn wipe(&mut self) {
            self.0.iter_mut().for_each(Zeroize::zeroize);
        }

        pub(crate) fn hash(
            &mut self,
            params: &HashParams,
            password: &[u8],
            salt: &[u8],
            output: &mut [u8],
        ) -> Result<()> {
            self.grow(params.costs.block_count())?;
            Argon2::new_with_secret(params.secret, params.algorithm, params.version, params.costs.clone())?
                .hash_password_into_with_memory(password, salt, output, &mut self.0)
        }

        fn grow(&mut self, blocks: usize) -> Result<()> {
            if self.0.capacity() < blocks {
                // `Vec` would free the old memory with the blocks of the last hash still in it.
                self.wipe();
                self.0.clear();
                self.0.try_reserve_exact(blocks).map_err(|_| Error::OutOfMemory)?;
            }
            if self.0.len() < blocks {
                self.0.resize(blocks, Block::new());
            }
            Ok(())
        }
    }

    impl Drop for HashMemory {
        fn drop(&mut self) {
            self.wipe();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn memory_grows_when_needed_and_can_be_wiped() {
            let mut memory = HashMemory::with_capacity(0);
            for blocks in [8, 64] {
                let params = HashParams::argon2id(Params::new(blocks, 1, 1, None).unwrap());
                memory.hash(&params, b"password", b"somesalt", &mut [0; 32]).unwrap();
                assert_eq!(memory.0.len(), blocks as usize);
            }
            let is_zero = |block: &Block| block.as_ref().iter().all(|word| *word == 0);
            assert!(!memory.0.iter().all(is_zero));
            memory.wipe();
            assert!(memory.0.iter().all(is_zero));
            assert_eq!(memory.0.len(), 64);
        }
    }
}
