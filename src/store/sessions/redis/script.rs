//! The key of a session in Redis, and the scripts that change it.

use futures_util::{FutureExt, StreamExt, stream};

use crate::domain::session::SessionId;
use crate::domain::{Error, Result};

/// Sessions that Redis is told something about at the same time.
const AT_A_TIME: usize = 64;

/// Tells Redis something about each of these sessions, and gives the failures: one keeps no other from being told.
pub(crate) async fn tell_each<F>(ids: &[SessionId], tell: impl Fn(SessionId) -> F) -> Vec<(SessionId, Error)>
where
    F: Future<Output = Result<()>>,
{
    let tell = |id| tell(id).map(move |told| (id, told));
    let mut telling = stream::iter(ids.iter().copied().map(tell)).buffer_unordered(AT_A_TIME);
    let mut failures = Vec::new();
    while let Some((id, told)) = telling.next().await {
        failures.extend(told.err().map(|error| (id, error)));
    }
    failures
}

/// The first of these failures, if there is one.
pub(crate) fn all_told(failures: impl IntoIterator<Item = (SessionId, Error)>) -> Result<()> {
    failures.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// The key of a session in Redis.
pub(crate) fn key(id: SessionId) -> String {
    format!("auth-gateway:session:{}", id.0.simple())
}

/// A step that one of the scripts takes on one session.
macro_rules! script {
    ($name:literal) => {
        redis::Script::new(concat!(
            include_str!("lua/session.lua"),
            include_str!(concat!("lua/", $name, ".lua"))
        ))
    };
}
pub(crate) use script;
