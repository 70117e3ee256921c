//! Work that must not stop half way.

use crate::domain::{Error, Result};
use crate::log_span;

/// Runs the work as a task of its own. When a client disconnects, the future of its request is
/// dropped. Without a task, a session could then be ended in one store and not in the other.
pub(crate) async fn spawn_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    // Boxed: otherwise each wrapper would move the whole future.
    tokio::spawn(log_span::in_current_span(Box::pin(work)))
        .await
        .map_err(Error::internal)?
}
