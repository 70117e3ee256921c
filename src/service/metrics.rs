//! Counts operations and times them.

use std::time::Instant;

use futures_util::FutureExt;
use metrics::{SharedString, counter, histogram};

use crate::domain::Result;

/// Runs an operation and records how it ended and how long it took.
pub(crate) fn measured<T>(
    operation: &'static str,
    run: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let started = Instant::now();
    run.inspect(move |outcome| {
        let label: SharedString = match outcome {
            Ok(_) => "ok".into(),
            Err(error) => error.code().to_ascii_lowercase().into(),
        };
        counter!("auth_gateway_operations_total", "operation" => operation, "outcome" => label).increment(1);
        histogram!("auth_gateway_operation_duration_seconds", "operation" => operation).record(started.elapsed());
    })
}
