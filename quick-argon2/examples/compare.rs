//! How long a hash takes here and in the `argon2` crate: `cargo run --release -p quick-argon2 --example compare [ROUNDS]`.
//!
//! It counts the processor's time, and both take turns, so that other work of the machine changes little; the quickest of all rounds is
//! what the machine can do.
#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::time::Duration;

use argon2::{Algorithm, Params, Result, Version};
use quick_argon2::{Memory, Recipe};
use rustix::time::{ClockId, clock_gettime};

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(50);
    let recipe = Recipe {
        algorithm: Algorithm::Argon2id,
        version: Version::V0x13,
        params: Params::new(MEMORY_KIB, PASSES, 1, None)?,
        secret: &[],
    };
    let blocks = recipe.params.block_count();
    let (mut quick, mut portable) = (Memory::new(blocks), Memory::portable(blocks));
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    // The first round finds the memory.
    for _ in 0..=rounds {
        ours = ours.min(time(&mut quick, &recipe)?);
        theirs = theirs.min(time(&mut portable, &recipe)?);
    }
    println!("argon2id, {MEMORY_KIB} KiB, {PASSES} passes, 1 lane; the quickest of {rounds}");
    println!("quick-argon2  {ours:.2?}");
    println!(
        "argon2 crate  {theirs:.2?}, {:.2} times as long",
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}

fn time(memory: &mut Memory, recipe: &Recipe) -> Result<Duration> {
    let start = processor_time();
    memory.hash(recipe, b"correct horse", b"battery staple", &mut [0; 32])?;
    Ok(processor_time().saturating_sub(start))
}

/// What this thread has had of it.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
