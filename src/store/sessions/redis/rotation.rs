//! Rotates a session in Redis: one script judges the token and moves the session on. SQL is updated
//! now and then.

use std::time::Duration;

use crate::domain::clock::{Timestamp, millis};
use crate::domain::rate_limit::{Limit, Quota};
use crate::domain::refresh_token::{RefreshClaim, Renewal, Rotation};
use crate::domain::session::{EndReason, SessionId};
use crate::domain::{Error, Result};
use crate::store::sessions::SessionStore;
use crate::store::sessions::redis::script::nonce;
use crate::store::sessions::redis::script_reply::{Reply, RotateReply};
use crate::store::sessions::redis::store::{ATTEMPTS, KEY_MARGIN, Rebuilt, RedisSessions};

/// SQL is updated at the first rotation after this long, or after a tenth of a refresh token's
/// lifetime if that is shorter. A session that Redis has lost must not look unused.
const SAVE_INTERVAL: Duration = Duration::from_hours(1);

impl RedisSessions {
    /// Rotates a session. If Redis does not have it, it is rebuilt from SQL first.
    pub(crate) async fn rotate_or_rebuild(
        &self,
        claim: RefreshClaim,
        now: Timestamp,
        limit: Option<Limit>,
    ) -> Result<Renewal> {
        let mut reply = self.rotate_in_redis(claim, now, limit).await?;
        let allowance = limit.map(|limit| reply.allowance(limit, now));
        let is_over = Renewal {
            rotation: Rotation::Ended,
            allowance,
        };
        // A Redis that is being emptied may lose the session repeatedly.
        for _ in 0..ATTEMPTS {
            if reply.reply.outcome != "missing" {
                break;
            }
            match Box::pin(self.rebuild(claim.session, reply.reply.lease(), now)).await? {
                Rebuilt::Yes => {}
                Rebuilt::Ended => return Ok(is_over),
                Rebuilt::Refused(error) => return Err(error),
            }
            // The limit was charged by the first try.
            reply = self.rotate_in_redis(claim, now, None).await?;
        }
        let rotation = self.rotation(claim.session, &reply, now).await?;
        Ok(Renewal { rotation, allowance })
    }

    async fn rotate_in_redis(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<RotateReply> {
        let lifetimes = self.sql.lifetimes();
        let interval = SAVE_INTERVAL.min(lifetimes.refresh_token / 10);
        let (every, whole) = limit.map_or((Duration::ZERO, Duration::ZERO), |limit| {
            let Quota { burst, every } = limit.quota();
            (every, every * burst)
        });
        let arguments = [
            claim.generation.0.to_string(),
            now.millis().to_string(),
            millis(lifetimes.refresh_token).to_string(),
            millis(self.outage.grace(now)).to_string(),
            millis(interval).to_string(),
            millis(KEY_MARGIN).to_string(),
            nonce(),
            millis(every).to_string(),
            millis(whole).to_string(),
        ];
        self.run(&self.scripts.rotate, claim.session, &arguments, now).await
    }

    fn current(&self, id: SessionId, reply: &Reply) -> Option<Rotation> {
        Some(Rotation::Current {
            account: reply.live_session(id, &self.profiles)?.account,
            generation: reply.generation,
        })
    }

    /// Interprets the last reply of a rotation.
    async fn rotation(&self, id: SessionId, rotated: &RotateReply, now: Timestamp) -> Result<Rotation> {
        let reply = &rotated.reply;
        match reply.outcome.as_str() {
            "moved" | "repeated" => match self.current(id, reply) {
                Some(rotation) => Ok(rotation),
                None => Box::pin(self.save(id, reply, now)).await,
            },
            "due" => Box::pin(self.save(id, reply, now)).await,
            "reused" => Ok(Rotation::Reused {
                ended: self.end(id, EndReason::Reuse, now).await?,
            }),
            "over" => Ok(Rotation::Ended),
            "limited" => Ok(Rotation::Limited(rotated.refused_for().unwrap_or_default())),
            _ => Err(Error::unavailable(format!(
                "redis loses session {} as soon as it is written",
                id.0
            ))),
        }
    }

    /// Writes the generation to SQL, which now and then is due. SQL decides whether the session
    /// lives and who owns it. If SQL fails, the rotation stands: Redis has made it, and the client
    /// must get its token.
    async fn save(&self, id: SessionId, reply: &Reply, now: Timestamp) -> Result<Rotation> {
        let saved = async {
            self.sql.catch_up(id, reply.generation, reply.rotated_at).await?;
            self.sql.find(id, now).await
        };
        match saved.await {
            Ok(Some(live)) => {
                let copy = reply.live_session(id, &self.profiles);
                if copy.is_none_or(|copy| copy.account != live.account) {
                    // If Redis fails, the next save finds the same difference.
                    let _best_effort = self.external_changes.forget_accounts(&[id]).await;
                }
                Ok(Rotation::Current {
                    account: live.account,
                    generation: reply.generation,
                })
            }
            Ok(None) => {
                self.tombstones.write(&[id]).await?;
                Ok(Rotation::Ended)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a rotation could not be saved in the database"
                );
                self.current(id, reply).ok_or(error)
            }
        }
    }
}
