//! Renewals in Redis: one script judges and moves on, and SQL is told where a session stands when that is due.

use std::time::Duration;

use crate::domain::clock::{Timestamp, millis};
use crate::domain::rate_limit::{Limit, Quota};
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::{EndReason, Renewal, Rotation, SessionId};
use crate::domain::{Error, Result};
use crate::store::sessions::SessionStore;
use crate::store::sessions::redis::script_reply::{Answer, RotateAnswer};
use crate::store::sessions::redis::store::{ATTEMPTS, MARGIN, Rebuilt, RedisSessions, nonce};

/// SQL learns of a session's generation at the first renewal after this long, or a tenth of a token's lifetime if that is
/// shorter: a session that Redis forgot must not look unused.
const SAVE_INTERVAL: Duration = Duration::from_hours(1);

impl RedisSessions {
    /// Renews a session, which is brought back first where Redis does not have it.
    pub(crate) async fn renew(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<Renewal> {
        let mut answer = self.rotate_in_redis(claim, now, limit).await?;
        let allowance = limit.map(|limit| answer.allowance(limit, now));
        let is_over = Renewal {
            rotation: Rotation::Over,
            allowance,
        };
        // A Redis that is being emptied may lose the session again and again.
        for _ in 0..ATTEMPTS {
            if answer.answer.outcome != "missing" {
                break;
            }
            match Box::pin(self.rebuild(claim.session, answer.answer.lease(), now)).await? {
                Rebuilt::Yes => {}
                Rebuilt::Over => return Ok(is_over),
                Rebuilt::Refused(error) => return Err(error),
            }
            // It has been charged.
            answer = self.rotate_in_redis(claim, now, None).await?;
        }
        let rotation = self.rotation(claim.session, &answer, now).await?;
        Ok(Renewal { rotation, allowance })
    }

    async fn rotate_in_redis(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<RotateAnswer> {
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
            millis(MARGIN).to_string(),
            nonce(),
            millis(every).to_string(),
            millis(whole).to_string(),
        ];
        self.ask(&self.scripts.rotate, claim.session, &arguments, now).await
    }

    fn current(&self, id: SessionId, answer: &Answer) -> Option<Rotation> {
        Some(Rotation::Current {
            account: answer.live_session(id, &self.profiles)?.account,
            generation: answer.generation,
        })
    }

    /// What the last of the answers to a renewal means.
    async fn rotation(&self, id: SessionId, renewed: &RotateAnswer, now: Timestamp) -> Result<Rotation> {
        let answer = &renewed.answer;
        match answer.outcome.as_str() {
            "moved" | "repeated" => match self.current(id, answer) {
                Some(rotation) => Ok(rotation),
                None => Box::pin(self.save(id, answer, now)).await,
            },
            "due" => Box::pin(self.save(id, answer, now)).await,
            "reused" => Ok(Rotation::Reused {
                ended: self.end(id, EndReason::Reuse, now).await?,
            }),
            "over" => Ok(Rotation::Over),
            "limited" => Ok(Rotation::Limited(renewed.refused_for().unwrap_or_default())),
            _ => Err(Error::unavailable(format!(
                "redis loses session {} as soon as it has it",
                id.0
            ))),
        }
    }

    /// Tells SQL where the session stands, which now and then is due. SQL has the last word on whether it lives, and whose it is; if it
    /// has none to say, the renewal stands all the same, as far as Redis can be believed: it has made it, and the client must get its token.
    async fn save(&self, id: SessionId, answer: &Answer, now: Timestamp) -> Result<Rotation> {
        let saved = async {
            self.sql.catch_up(id, answer.generation, answer.rotated_at).await?;
            self.sql.find_renewed(id, now).await
        };
        match saved.await {
            Ok(Some(live)) => {
                let believed = answer.live_session(id, &self.profiles);
                if believed.is_none_or(|believed| believed.account != live.account) {
                    // Where Redis does not take it, the next saving finds the same.
                    let _best_effort = self.changes.forget(&[id]).await;
                }
                Ok(Rotation::Current {
                    account: live.account,
                    generation: answer.generation,
                })
            }
            Ok(None) => {
                self.marks.set(&[id]).await?;
                Ok(Rotation::Over)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database could not be told of a renewal"
                );
                self.current(id, answer).ok_or(error)
            }
        }
    }
}
