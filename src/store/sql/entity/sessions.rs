//! The table `sessions`.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::session::{
    Device, EndReason, Generation, NewSession, Session, SessionEnd, SessionId, SessionRecord,
};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub account_id: Uuid,
    pub generation: i64,
    pub created_at: i64,
    pub rotated_at: i64,
    pub expires_at: i64,
    pub ended_at: Option<i64>,
    pub end_reason: Option<String>,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::accounts::Entity",
        from = "Column::AccountId",
        to = "super::accounts::Column::Id"
    )]
    Account,
}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: SessionId(row.id),
            account: AccountId(row.account_id),
            generation: generation(row.generation),
            rotated_at: Timestamp::from_millis(row.rotated_at),
            expires_at: Timestamp::from_millis(row.expires_at),
        }
    }
}

impl From<Model> for SessionRecord {
    fn from(mut row: Model) -> Self {
        let device = Device {
            user_agent: row.user_agent.take(),
            ip: row.ip.take(),
        };
        Self {
            created_at: Timestamp::from_millis(row.created_at),
            device,
            session: row.into(),
        }
    }
}

impl Model {
    /// How the session ended; `None` if it has not.
    pub fn end(&self) -> Option<SessionEnd> {
        Some(session_end(self.id, self.ended_at?, self.end_reason.as_deref()))
    }
}

/// The end of a session, from its columns.
pub(crate) fn session_end(id: Uuid, at: i64, reason: Option<&str>) -> SessionEnd {
    SessionEnd {
        session: SessionId(id),
        // A reason that only a newer version knows.
        reason: EndReason::parse(reason.unwrap_or_default()).unwrap_or(EndReason::EndedElsewhere),
        at: Timestamp::from_millis(at),
    }
}

impl From<&NewSession> for ActiveModel {
    fn from(session: &NewSession) -> Self {
        Self {
            id: Set(session.id.0),
            account_id: Set(session.account.0),
            generation: Set(i64::from(Generation::FIRST.0)),
            created_at: Set(session.created_at.millis()),
            rotated_at: Set(session.created_at.millis()),
            expires_at: Set(session.expires_at.millis()),
            ended_at: Set(None),
            end_reason: Set(None),
            user_agent: Set(session.device.user_agent.clone()),
            ip: Set(session.device.ip.clone()),
        }
    }
}

/// A stored generation. One out of range can only be a broken row. Then the newest generation is
/// the safe reading, because older tokens count as reused.
pub(crate) fn generation(stored: i64) -> Generation {
    Generation(u32::try_from(stored).unwrap_or(u32::MAX))
}
