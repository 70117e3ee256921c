//! The key of a session in Redis, and the scripts that read and write it.

use futures_util::{FutureExt, StreamExt, stream};
use uuid::Uuid;

use crate::domain::session::SessionId;
use crate::domain::{Error, Result};

/// Sessions that one call changes in Redis at the same time.
const CONCURRENCY: usize = 64;

/// Runs a step for each session, and returns the failures. One failure stops no other step.
pub(crate) async fn for_each<F>(ids: &[SessionId], step: impl Fn(SessionId) -> F) -> Vec<(SessionId, Error)>
where
    F: Future<Output = Result<()>>,
{
    let step = |id| step(id).map(move |done| (id, done));
    let mut steps = stream::iter(ids.iter().copied().map(step)).buffer_unordered(CONCURRENCY);
    let mut failures = Vec::new();
    while let Some((id, done)) = steps.next().await {
        failures.extend(done.err().map(|error| (id, error)));
    }
    failures
}

/// The first of these failures as an error.
pub(crate) fn first_failure(failures: impl IntoIterator<Item = (SessionId, Error)>) -> Result<()> {
    failures.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

pub(crate) fn key(id: SessionId) -> String {
    format!("auth-gateway:session:{}", id.0.simple())
}

/// A random text that tells one lease from every other.
pub(crate) fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Loads a script of the folder `lua`, with the functions that all of them share.
macro_rules! script {
    ($name:literal) => {
        redis::Script::new(concat!(
            include_str!("lua/session.lua"),
            include_str!(concat!("lua/", $name, ".lua"))
        ))
    };
}
pub(crate) use script;
