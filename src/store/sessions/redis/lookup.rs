//! Reads sessions from Redis without a script: one round trip for all requests of a moment.
//!
//! By the rule of `find.lua`, a session is found if the profile was written under the current
//! replication id, by a server that is no replica, and its tag verifies. For every other session
//! the script decides.

use std::collections::HashMap;

use futures_util::FutureExt;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::{Generation, LiveSession, SessionId};
use crate::store::Redis;
use crate::store::batch::Batcher;
use crate::store::redis::client::OPERATION_TIMEOUT;
use crate::store::sessions::redis::profile::Profiles;
use crate::store::sessions::redis::script::key;
use crate::threads::PerThread;

/// What Redis knows for certain about a session.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// Not ended. It may have expired.
    Live(LiveSession),
    Ended,
}

/// Finds sessions in this Redis. `None` for a cluster, because each of its servers has its own
/// replication id.
pub(crate) fn batched(redis: &Redis, profiles: &Profiles) -> Option<PerThread<Batcher<SessionId, Known>>> {
    if redis.is_cluster() {
        return None;
    }
    let batcher = || {
        let (redis, profiles) = (redis.clone(), profiles.clone());
        Batcher::new(OPERATION_TIMEOUT, move |ids| {
            let (redis, profiles) = (redis.clone(), profiles.clone());
            async move { find_all(&redis, &profiles, ids).await }.boxed()
        })
    };
    Some(PerThread::new(batcher))
}

async fn find_all(redis: &Redis, profiles: &Profiles, ids: Vec<SessionId>) -> Result<HashMap<SessionId, Known>> {
    let keys = ids.iter().copied().map(key);
    let Some(reading) = redis.read_all(keys).await? else {
        return Ok(HashMap::new());
    };
    // The replication id was read last: a server that was promoted from a replica in between has a
    // new one by now.
    let current = replication_id(&reading.replication);
    let known = ids.into_iter().zip(reading.values);
    let known = known.filter_map(|(id, text)| Some((id, known_session(id, &text?, current?, profiles)?)));
    Ok(known.collect())
}

/// The replication id, cut as in `session.lua`. `None` on a replica.
fn replication_id(replication: &str) -> Option<&str> {
    let value = |name: &str| {
        let mut lines = replication.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    if value("role")? != "master" {
        return None;
    }
    value("master_replid")?.get(..16)
}

/// Parses the text of a session. `session.lua` describes its parts.
fn known_session(id: SessionId, text: &[u8], current: &str, profiles: &Profiles) -> Option<Known> {
    let text = str::from_utf8(text).ok()?;
    let mut parts = text.splitn(6, ' ');
    let mut next = || parts.next();
    let (generation, rotated, saved, _arrival, _lease, profile) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    if generation == "ended" {
        return Some(Known::Ended);
    }
    if profile.split_once('.')?.0 != current {
        return None;
    }
    let profile = profiles.parse(id, profile)?;
    let (generation, rotated_at) = (generation.parse().ok()?, rotated.parse().ok()?);
    let _saved_at: i64 = saved.parse().ok()?;
    Some(Known::Live(profile.into_live_session(
        id,
        Generation(generation),
        Timestamp::from_millis(rotated_at),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_no_replication_id_of_its_own() {
        let info = |role: &str| {
            format!(
                "# Replication\r\nrole:{role}\r\nconnected_slaves:0\r\n\
                 master_replid:0123456789abcdef0123456789abcdef01234567\r\nmaster_replid2:{}\r\n",
                "0".repeat(40)
            )
        };
        assert_eq!(replication_id(&info("master")), Some("0123456789abcdef"));
        assert_eq!(replication_id(&info("slave")), None);
        assert_eq!(replication_id(""), None);
    }
}
