//! Waits for the result of background work, with a timeout.

use std::time::{Duration, Instant};

/// Far longer than any background work here takes, so only a failure reaches it.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Repeats `poll` until it returns a value.
///
/// # Panics
/// After [`TIMEOUT`] without a value.
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = poll().await {
            return answer;
        }
        assert!(started.elapsed() < TIMEOUT, "{what}: not within {TIMEOUT:?}");
    }
}
