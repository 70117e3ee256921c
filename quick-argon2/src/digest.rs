//! The two uses that argon2 makes of `BLAKE2b`: H0, the hash of all inputs (RFC 9106 section 3.2),
//! and H', a hash of variable length (section 3.3).

use argon2::{Error, Result};
use blake2::digest::Output;
use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use blake2::{Blake2b512, Blake2bVarCore, Digest};
use zeroize::Zeroizing;

use crate::params::HashParams;

/// Length of a whole `BLAKE2b` hash, in bytes.
const HASH_BYTES: usize = 64;
/// H' outputs the first half of each hash in its chain, but for the last.
const HALF: usize = HASH_BYTES / 2;

/// H0: `BLAKE2b` of all parameters and inputs.
pub(crate) fn initial_hash(
    params: &HashParams,
    password: &[u8],
    salt: &[u8],
    output_len: usize,
) -> Result<Zeroizing<[u8; HASH_BYTES]>> {
    let costs = &params.costs;
    let mut digest = Blake2b512::new();
    let numbers = [
        costs.p_cost(),
        u32::try_from(output_len).map_err(|_| Error::OutputTooLong)?,
        costs.m_cost(),
        costs.t_cost(),
        params.version.into(),
        params.algorithm as u32,
    ];
    for number in numbers {
        digest.update(number.to_le_bytes());
    }
    for input in [password, salt, params.secret, costs.data()] {
        let length = u32::try_from(input.len()).map_err(|_| Error::PwdTooLong)?;
        digest.update(length.to_le_bytes());
        digest.update(input);
    }
    Ok(Zeroizing::new(digest.finalize().into()))
}

/// H', for outputs of 4 bytes and more.
pub(crate) fn variable_length_hash(inputs: &[&[u8]], output: &mut [u8]) {
    let length = u32::try_from(output.len()).unwrap_or(u32::MAX).to_le_bytes();
    if output.len() <= HASH_BYTES {
        return short_hash(&length, inputs, output);
    }
    let mut digest = Blake2b512::new();
    digest.update(length);
    for input in inputs {
        digest.update(input);
    }
    let mut hash = Zeroizing::new(<[u8; HASH_BYTES]>::from(digest.finalize()));
    let mut rest = output;
    loop {
        let (half, tail) = rest.split_at_mut(HALF);
        half.copy_from_slice(&hash[..HALF]);
        rest = tail;
        if rest.len() <= HASH_BYTES {
            return short_hash(&*hash, &[], rest);
        }
        *hash = Blake2b512::digest(*hash).into();
    }
}

/// `BLAKE2b` with an output of 1 to 64 bytes. The length is a parameter of `BLAKE2b`: a longer hash
/// cut short would be a different one.
fn short_hash(head: &[u8], tail: &[&[u8]], output: &mut [u8]) {
    // The callers pass 4 to 64 bytes, which `BLAKE2b` always accepts.
    let Ok(mut core) = Blake2bVarCore::new(output.len()) else {
        return;
    };
    let mut buffer = LazyBuffer::default();
    for input in std::iter::once(&head).chain(tail) {
        buffer.digest_blocks(input, |blocks| core.update_blocks(blocks));
    }
    let mut hash = Output::<Blake2bVarCore>::default();
    core.finalize_variable_core(&mut buffer, &mut hash);
    output.copy_from_slice(&hash[..output.len()]);
}
