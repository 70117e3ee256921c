//! Compares one hash by `quick-argon2` with one by the `argon2` crate, at several costs:
//! `cargo bench -p quick-argon2 [-- ROUNDS]`.
//!
//! Both keep their memory between hashes and take turns, so that other work on the machine slows
//! both. The result is the minimum of all rounds; on Linux, of the thread's processor time.
#![expect(clippy::print_stdout, reason = "the output of a benchmark")]

use std::time::Duration;

use quick_argon2::{HashMemory, HashParams, Params, Result};

const DEFAULT_ROUNDS: u32 = 50;
/// KiB, iterations, lanes.
const COSTS: [(u32, u32, u32, &str); 4] = [
    (19_456, 2, 1, "minimum of the OWASP cheat sheet"),
    (47_104, 1, 1, "OWASP cheat sheet, more memory"),
    (65_536, 3, 4, "second recommendation of RFC 9106"),
    (64, 3, 1, "fits into the cache"),
];

fn main() -> Result<()> {
    // Cargo passes the argument `--bench`.
    let rounds = std::env::args().find_map(|argument| argument.parse().ok());
    let rounds: u32 = rounds.unwrap_or(DEFAULT_ROUNDS);
    println!("argon2id, minimum of {rounds} rounds; ratio = argon2 / quick-argon2");
    println!(
        "{:>8} {:>10} {:>5}  {:>12} {:>12} {:>6}",
        "KiB", "iterations", "lanes", "quick-argon2", "argon2", "ratio"
    );
    for (memory, iterations, lanes, description) in COSTS {
        let params = HashParams::argon2id(Params::new(memory, iterations, lanes, None)?);
        let (quick, portable) = compare(&params, rounds)?;
        println!(
            "{memory:>8} {iterations:>10} {lanes:>5}  {:>12} {:>12} {:>6.2}  {description}",
            format!("{quick:.2?}"),
            format!("{portable:.2?}"),
            portable.as_secs_f64() / quick.as_secs_f64()
        );
    }
    Ok(())
}

fn compare(params: &HashParams, rounds: u32) -> Result<(Duration, Duration)> {
    let blocks = params.costs.block_count();
    let mut quick = HashMemory::with_capacity(blocks);
    let mut portable = HashMemory::portable_with_capacity(blocks);
    let mut minimum = (Duration::MAX, Duration::MAX);
    // The first round provides the pages, and is slower.
    for _ in 0..=rounds {
        minimum.0 = minimum.0.min(time(&mut quick, params)?);
        minimum.1 = minimum.1.min(time(&mut portable, params)?);
    }
    Ok(minimum)
}

fn time(memory: &mut HashMemory, params: &HashParams) -> Result<Duration> {
    let start = now();
    memory.hash(params, b"correct horse", b"battery staple", &mut [0; 32])?;
    Ok(now().saturating_sub(start))
}

#[cfg(target_os = "linux")]
fn now() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn now() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
