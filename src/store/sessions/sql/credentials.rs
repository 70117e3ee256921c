//! What rests on a password: a session that it opens, and the end of the others when it changes.
//!
//! A password is compared outside of the database, and that takes its time. So each step asks once more, in itself, whether the hash is
//! still the one that was compared. Otherwise a login with the old password that was under way could open a session behind the change that
//! was to end all others, and of two changes at once the later one would win without knowing of the first.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use crate::domain::Result;
use crate::domain::account::{CredentialsUpdate, PasswordChange, PasswordHash};
use crate::domain::clock::Timestamp;
use crate::domain::session::{EndReason, Generation, NewSession};
use crate::store::sessions::SqlSessions;
use crate::store::sessions::sql::store::OpenSessions;
use crate::store::sql::entity::{accounts, sessions};

impl SqlSessions {
    /// One statement. On PostgreSQL it locks the account's row against a change: one that is under way is waited for and seen, and one
    /// that comes later sees this session.
    pub(crate) async fn open_on_password(
        &self,
        session: &NewSession,
        compared: &PasswordHash,
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
            .and_where(accounts::Column::PasswordHash.eq(compared.0.clone()))
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
        Ok(step(self.database.answer(inserted).await?.rows_affected()))
    }

    /// The account's row goes first, and stays locked until the end: no session is opened on the old password in between.
    pub(crate) async fn replace_password(&self, change: &PasswordChange, now: Timestamp) -> Result<CredentialsUpdate> {
        let transaction = self.database.begin_write().await?;
        let who_asks = Query::select()
            .column(sessions::Column::AccountId)
            .from(sessions::Entity)
            .and_where(sessions::Column::Id.eq(change.by.0))
            .and_where(sessions::Column::EndedAt.is_null())
            .to_owned();
        let replaced = accounts::Entity::update_many()
            .col_expr(accounts::Column::PasswordHash, change.new.0.clone().into())
            .filter(accounts::Column::Id.eq(change.account.0))
            .filter(accounts::Column::PasswordHash.eq(change.old.0.clone()))
            .filter(accounts::Column::Id.in_subquery(who_asks));
        let replaced = self.database.answer(replaced.exec(&transaction)).await?;
        if replaced.rows_affected > 0 {
            let others = OpenSessions {
                account: change.account,
                except: Some(change.by),
            };
            self.end_open(&transaction, others, EndReason::PasswordChanged, now)
                .await?;
        }
        self.database.answer(transaction.commit()).await?;
        Ok(step(replaced.rows_affected))
    }
}

fn step(rows: u64) -> CredentialsUpdate {
    if rows > 0 {
        CredentialsUpdate::Applied
    } else {
        CredentialsUpdate::Conflict
    }
}
