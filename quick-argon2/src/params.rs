//! The inputs of a hash beside the password and the salt.

use std::fmt;

use argon2::{Algorithm, Params, Version};

/// The algorithm, its version, its costs and its key: every input of a hash but the password and
/// the salt.
///
/// ```
/// use quick_argon2::{Algorithm, HashParams, Params, Version};
///
/// # fn main() -> quick_argon2::Result<()> {
/// let params = HashParams {
///     algorithm: Algorithm::Argon2id,
///     version: Version::V0x13,
///     costs: Params::new(19_456, 2, 1, None)?,
///     secret: b"a key that is stored outside the database",
/// };
/// assert_eq!(params.costs.block_count(), 19_456);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HashParams<'secret> {
    pub algorithm: Algorithm,
    pub version: Version,
    /// Memory in KiB, iterations, lanes; optionally the output length and associated data.
    pub costs: Params,
    /// The secret value K of RFC 9106 section 3.1, also called a pepper. Empty means none.
    pub secret: &'secret [u8],
}

impl HashParams<'_> {
    /// Argon2id, version 0x13, no secret: the variant that RFC 9106 section 4 recommends.
    ///
    /// ```
    /// use quick_argon2::{Algorithm, HashParams, Params};
    ///
    /// let params = HashParams::argon2id(Params::DEFAULT);
    /// assert_eq!(params.algorithm, Algorithm::Argon2id);
    /// assert!(params.secret.is_empty());
    /// ```
    #[must_use]
    pub const fn argon2id(costs: Params) -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            costs,
            secret: &[],
        }
    }
}

/// Leaves out the secret.
impl fmt::Debug for HashParams<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HashParams")
            .field("algorithm", &self.algorithm)
            .field("version", &self.version)
            .field("costs", &self.costs)
            .finish_non_exhaustive()
    }
}
