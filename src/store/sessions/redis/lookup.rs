//! Reads sessions from Redis: for everybody who asks at the same time, one round trip, without a script.
//!
//! By the rule of `find.lua`: what is found is known to this history of writes, by a server that is no replica, with the account under our seal. Of
//! everything else this says nothing, and the script has to be asked.

use std::collections::HashMap;

use futures_util::FutureExt;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::{Generation, LiveSession, SessionId};
use crate::store::Redis;
use crate::store::batch::{BatchOptions, Batcher};
use crate::store::redis::client::OPERATION_TIMEOUT;
use crate::store::sessions::redis::profile::Profiles;
use crate::store::sessions::redis::script::key;
use crate::threads::PerThread;

/// What Redis knows for certain of a session.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// It has not been ended; its time may be over.
    Live(LiveSession),
    /// It has been ended.
    Ended,
}

/// Finds sessions in this Redis; `None` for a cluster, whose servers have a history each.
pub(crate) fn in_redis(redis: &Redis, profiles: &Profiles) -> Option<PerThread<Batcher<SessionId, Known>>> {
    if redis.is_cluster() {
        return None;
    }
    let batcher = || {
        let (redis, profiles) = (redis.clone(), profiles.clone());
        Batcher::new(BatchOptions::QUESTIONS, OPERATION_TIMEOUT, move |ids| {
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
    // It was asked last: a server that was a replica while it was read, and is none any more, has a new history by now.
    let history = current_history(&reading.replication);
    let known = ids.into_iter().zip(reading.values);
    let known = known.filter_map(|(id, text)| Some((id, known_of(id, &text?, history?, profiles)?)));
    Ok(known.collect())
}

/// The history that the server is at, as `current_history` in `session.lua` has it; `None` on a replica.
fn current_history(replication: &str) -> Option<&str> {
    let value = |name: &str| {
        let mut lines = replication.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    if value("role")? != "master" {
        return None;
    }
    value("master_replid")?.get(..16)
}

/// What the text of a session says, whose parts are in `session.lua`.
fn known_of(id: SessionId, text: &[u8], current: &str, profiles: &Profiles) -> Option<Known> {
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
    let profile = profiles.read(id, profile)?;
    let (generation, rotated_at) = (generation.parse().ok()?, rotated.parse().ok()?);
    let _saved_at: i64 = saved.parse().ok()?;
    Some(Known::Live(profile.of_session(
        id,
        Generation(generation),
        Timestamp::from_millis(rotated_at),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_that_of_a_server_which_is_no_replica() {
        let info = |role: &str| {
            format!(
                "# Replication\r\nrole:{role}\r\nconnected_slaves:0\r\n\
                 master_replid:0123456789abcdef0123456789abcdef01234567\r\nmaster_replid2:{}\r\n",
                "0".repeat(40)
            )
        };
        assert_eq!(current_history(&info("master")), Some("0123456789abcdef"));
        assert_eq!(current_history(&info("slave")), None);
        assert_eq!(current_history(""), None);
    }
}
