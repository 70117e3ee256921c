//! Work that must not stop half way.

use crate::domain::{Error, Result};
use crate::log_span;

/// Runs the work on its own. A request ends where it stands when its client hangs up, and an end that only one store has heard of would be
/// none.
pub(crate) async fn spawn_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    // Boxed: what carries it would move its size about.
    tokio::spawn(log_span::in_current_span(Box::pin(work)))
        .await
        .map_err(Error::internal)?
}
