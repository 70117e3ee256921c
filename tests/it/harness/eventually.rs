//! Waiting for what happens by itself, but not for ever.

use std::time::{Duration, Instant};

/// Far more than anything here takes: only what never comes runs into it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks until the answer is there.
///
/// # Panics
/// When it never comes.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
    }
}
