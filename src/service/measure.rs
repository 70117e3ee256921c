//! Counts operations and times them.

use std::time::Instant;

use metrics::{SharedString, counter, histogram};

use crate::domain::Result;

/// Runs an operation and records how it ended and how long it took.
pub(super) async fn measured<T>(operation: &'static str, run: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let outcome = run.await;
    let label: SharedString = match &outcome {
        Ok(_) => "ok".into(),
        Err(error) => error.code().to_ascii_lowercase().into(),
    };
    counter!("auth_gateway_operations_total", "operation" => operation, "outcome" => label).increment(1);
    histogram!("auth_gateway_operation_duration_seconds", "operation" => operation).record(started.elapsed());
    outcome
}
