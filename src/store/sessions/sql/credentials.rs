//! Steps that rest on verified credentials: opening a session, and ending the others with a change.
//!
//! A credential is verified outside of the database. Each step repeats the version that was
//! verified in its own statement. Otherwise a login that is under way with the old password could
//! open a session after the change that was to end all sessions, and the later of two changes would
//! win without knowing of the earlier one.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialsUpdate, CredentialsVersion, PasswordChange};
use crate::domain::session::{EndReason, Generation, NewSession};
use crate::store::sessions::sql::store::{OpenSessions, SqlSessions};
use crate::store::sql::entity::{accounts, sessions};

impl SqlSessions {
    /// One guarded statement. On PostgreSQL it locks the account's row against updates: it waits
    /// for a change that is under way and then sees the new version, and a change that comes later
    /// sees this session.
    pub(crate) async fn open_guarded(
        &self,
        session: &NewSession,
        verified: CredentialsVersion,
    ) -> Result<CredentialsUpdate> {
        use sessions::Column;
        let created_at = session.created_at.millis();
        let row = Query::select()
            .expr(Expr::value(session.id.0))
            .expr(Expr::value(session.account.0))
            .expr(Expr::value(i64::from(Generation::FIRST.0)))
            .exprs([created_at, created_at, session.expires_at.millis()].map(Expr::value))
            .expr(Expr::value(session.device.user_agent.clone()))
            .expr(Expr::value(session.device.ip.clone()))
            .from(accounts::Entity)
            .and_where(accounts::Column::Id.eq(session.account.0))
            .and_where(accounts::Column::CredentialsVersion.eq(verified.0))
            .lock_shared()
            .to_owned();
        let columns = [
            Column::Id,
            Column::AccountId,
            Column::Generation,
            Column::CreatedAt,
            Column::RotatedAt,
            Column::ExpiresAt,
            Column::UserAgent,
            Column::Ip,
        ];
        let connection = self.database.writer();
        let inserted = async {
            let mut insert = Query::insert();
            insert.into_table(sessions::Entity).columns(columns);
            insert
                .select_from(row)
                .map_err(|error| DbErr::Custom(error.to_string()))?;
            connection.execute(&insert).await
        };
        Ok(update_of(self.database.run(inserted).await?.rows_affected()))
    }

    /// Updates the account's row first, which stays locked until the commit: no session is opened
    /// with the old password in between.
    pub(crate) async fn replace_password(&self, change: &PasswordChange, now: Timestamp) -> Result<CredentialsUpdate> {
        use accounts::Column;
        let transaction = self.database.begin_write().await?;
        let open_session = Query::select()
            .column(sessions::Column::AccountId)
            .from(sessions::Entity)
            .and_where(sessions::Column::Id.eq(change.by.0))
            .and_where(sessions::Column::EndedAt.is_null())
            .to_owned();
        let replaced = accounts::Entity::update_many()
            .col_expr(Column::PasswordHash, change.new_hash.0.clone().into())
            .col_expr(
                Column::CredentialsVersion,
                Column::CredentialsVersion.into_expr().add(1),
            )
            .filter(Column::Id.eq(change.account.0))
            .filter(Column::CredentialsVersion.eq(change.verified.0))
            .filter(Column::Id.in_subquery(open_session));
        let replaced = self.database.run(replaced.exec(&transaction)).await?;
        if replaced.rows_affected > 0 {
            let others = OpenSessions {
                account: change.account,
                except: Some(change.by),
            };
            self.end_open(&transaction, others, EndReason::PasswordChanged, now)
                .await?;
        }
        self.database.run(transaction.commit()).await?;
        Ok(update_of(replaced.rows_affected))
    }
}

fn update_of(rows: u64) -> CredentialsUpdate {
    if rows > 0 {
        CredentialsUpdate::Applied
    } else {
        CredentialsUpdate::Conflict
    }
}
