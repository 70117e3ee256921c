//! What argon2 does with `BLAKE2b`: the hash of all inputs, and hashes of any length (RFC 9106 sections 3.2 and 3.3).

use argon2::{Error, Result};
use blake2::digest::Output;
use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use blake2::{Blake2b512, Blake2bVarCore, Digest};
use zeroize::Zeroizing;

use crate::Recipe;

/// Length of a `BLAKE2b` hash, in bytes.
const WHOLE: usize = 64;
/// As much of each link in the chain of a long hash is given out.
const HALF: usize = WHOLE / 2;

/// H0, which everything that a hash depends on goes into.
pub(crate) fn initial(recipe: &Recipe, password: &[u8], salt: &[u8], output: usize) -> Result<Zeroizing<[u8; WHOLE]>> {
    let params = &recipe.params;
    let mut digest = Blake2b512::new();
    let numbers = [
        params.p_cost(),
        u32::try_from(output).map_err(|_| Error::OutputTooLong)?,
        params.m_cost(),
        params.t_cost(),
        recipe.version.into(),
        recipe.algorithm as u32,
    ];
    for number in numbers {
        digest.update(number.to_le_bytes());
    }
    for input in [password, salt, recipe.secret, params.data()] {
        let length = u32::try_from(input.len()).map_err(|_| Error::PwdTooLong)?;
        digest.update(length.to_le_bytes());
        digest.update(input);
    }
    Ok(Zeroizing::new(digest.finalize().into()))
}

/// H', a hash of any length from 4 bytes.
pub(crate) fn long(inputs: &[&[u8]], output: &mut [u8]) {
    let length = u32::try_from(output.len()).unwrap_or(u32::MAX).to_le_bytes();
    if output.len() <= WHOLE {
        return short(&length, inputs, output);
    }
    let mut digest = Blake2b512::new();
    digest.update(length);
    for input in inputs {
        digest.update(input);
    }
    let mut link = Zeroizing::new(<[u8; WHOLE]>::from(digest.finalize()));
    let mut rest = output;
    loop {
        let (half, tail) = rest.split_at_mut(HALF);
        half.copy_from_slice(&link[..HALF]);
        rest = tail;
        if rest.len() <= WHOLE {
            return short(&*link, &[], rest);
        }
        *link = Blake2b512::digest(*link).into();
    }
}

/// `BLAKE2b` with an output of so many bytes: that is another function than a longer one cut short.
fn short(head: &[u8], tail: &[&[u8]], output: &mut [u8]) {
    // Never refused: lengths from 1 to 64 are all that it is called with.
    let Ok(mut core) = Blake2bVarCore::new(output.len()) else {
        return;
    };
    let mut buffer = LazyBuffer::default();
    for input in std::iter::once(&head).chain(tail) {
        buffer.digest_blocks(input, |blocks| core.update_blocks(blocks));
    }
    let mut whole = Output::<Blake2bVarCore>::default();
    core.finalize_variable_core(&mut buffer, &mut whole);
    output.copy_from_slice(&whole[..output.len()]);
}
