//! Compares the implementation of argon2 that hashes passwords with the `argon2` crate, on costs
//! and inputs of any bytes.

#![allow(clippy::panic, reason = "a fuzz target fails by panicking")]

use argon2::{Algorithm, Argon2, AssociatedData, Params, ParamsBuilder, Result, Version};

use crate::security::password::argon2_memory::{HashMemory, HashParams};

/// More than 512 KiB in one lane: a segment then has more than the 128 reference blocks that one
/// block of data-independent words selects.
const MAX_MEMORY_KIB: u16 = 600;
/// More than two links in the chain of H' (RFC 9106 section 3.3).
const MAX_OUTPUT_BYTES: u8 = 200;
const HEADER_BYTES: usize = 10;

struct Input<'a> {
    params: HashParams<'a>,
    salt: &'a [u8],
    password: &'a [u8],
    output_len: usize,
}

/// The bytes are: algorithm, version, memory in KiB (two bytes, little endian), iterations,
/// lanes, output length, and the lengths of secret, salt and associated data; then secret, salt,
/// associated data, and password. Each number is reduced to a small one.
///
/// # Panics
/// If both implementations do not return the same hash or the same error.
pub fn argon2(data: &[u8]) {
    let Some(input) = parse(data) else { return };
    let expected = reference(&input);
    let mut memory = HashMemory::with_capacity(0);
    // The second hash finds the blocks of the first in its memory, the third finds zeros.
    for attempt in 0..3 {
        let mut output = vec![0; input.output_len];
        let result = memory.hash(&input.params, input.password, input.salt, &mut output);
        assert_eq!((result, &output), (expected.0, &expected.1), "attempt {attempt}");
        if attempt == 1 {
            memory.wipe();
        }
    }
}

fn reference(input: &Input) -> (Result<()>, Vec<u8>) {
    let HashParams {
        algorithm,
        version,
        costs,
        secret,
    } = &input.params;
    let mut output = vec![0; input.output_len];
    let result = Argon2::new_with_secret(secret, *algorithm, *version, costs.clone())
        .and_then(|argon2| argon2.hash_password_into(input.password, input.salt, &mut output));
    (result, output)
}

/// Returns nothing where the `argon2` crate has no such parameters: both implementations take its
/// `Params`.
fn parse(data: &[u8]) -> Option<Input<'_>> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let [
        algorithm,
        version,
        memory_low,
        memory_high,
        iterations,
        lanes,
        output,
        secret,
        salt,
        associated,
    ] = *header;
    let (secret, rest) = split_at_most(rest, secret % 65);
    let (salt, rest) = split_at_most(rest, salt % 65);
    let (associated, password) = split_at_most(rest, associated % 33);
    let output_len = usize::from(output % MAX_OUTPUT_BYTES);
    let memory = u16::from_le_bytes([memory_low, memory_high]) % (MAX_MEMORY_KIB + 1);
    let mut costs = ParamsBuilder::new();
    costs
        .m_cost(memory.into())
        .t_cost((iterations % 4).into())
        .p_cost((lanes % 5).into())
        .data(AssociatedData::new(associated).ok()?);
    // The two highest bits select whether the costs state the length of the output, and which one.
    if let Some(stated) = [None, None, Some(output_len), Some(Params::DEFAULT_OUTPUT_LEN)][usize::from(algorithm / 64)]
    {
        costs.output_len(stated);
    }
    let params = HashParams {
        algorithm: [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id][usize::from(algorithm % 64 % 3)],
        version: [Version::V0x10, Version::V0x13][usize::from(version % 2)],
        costs: costs.build().ok()?,
        secret,
    };
    Some(Input {
        params,
        salt,
        password,
        output_len,
    })
}

/// The first `length` bytes, or all if there are fewer, and the rest.
fn split_at_most(data: &[u8], length: u8) -> (&[u8], &[u8]) {
    data.split_at(usize::from(length).min(data.len()))
}
