//! The table `audit_events`.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use crate::domain::audit::AuditRecord;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: i64,
    pub event: String,
    pub request_id: Option<String>,
    pub account_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&AuditRecord> for ActiveModel {
    fn from(record: &AuditRecord) -> Self {
        let event = &record.event;
        Self {
            id: Set(record.id),
            at: Set(record.at.millis()),
            event: Set(event.kind.row().name.to_owned()),
            request_id: Set(record.request_id.clone()),
            account_id: Set(event.account.map(|account| account.0)),
            session_id: Set(event.session.map(|session| session.0)),
            address: Set(record.device.ip.clone()),
            user_agent: Set(record.device.user_agent.clone()),
            detail: Set(event.detail.clone()),
        }
    }
}
