//! Work that must not stop half way.

use tracing::Instrument;

use crate::domain::{Error, Result};

/// Runs the work on its own. A request ends where it stands when its client hangs up, and an end that only one store has heard of would be
/// none.
pub(super) async fn unstoppable<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work.in_current_span()).await.map_err(Error::internal)?
}
