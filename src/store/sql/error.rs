//! What a database error means: an outage that ends by itself, or a fault of the gateway.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::domain::Error;

/// `Unavailable` for an outage, `Internal` for everything else.
pub(crate) fn failure(error: DbErr) -> Error {
    if is_outage(&error) {
        Error::unavailable(error)
    } else {
        Error::internal(error)
    }
}

fn is_outage(error: &DbErr) -> bool {
    if let DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) = error {
        if let SqlxError::Database(cause) = cause.as_ref() {
            return cause.code().is_some_and(|code| is_outage_code(&code));
        }
        return matches!(
            cause.as_ref(),
            SqlxError::Io(_)
                | SqlxError::Tls(_)
                | SqlxError::Protocol(_)
                | SqlxError::PoolTimedOut
                | SqlxError::PoolClosed
                | SqlxError::WorkerCrashed
        );
    }
    matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
}

/// PostgreSQL (appendix A, "Error Codes"): classes 08 connection exception, 28 and 3D login or
/// database refused, 40 transaction that may be retried, 53 insufficient resources, 55P locked,
/// 57 stopping or starting; 25006 a standby that cannot write.
/// SQLite ("Result and Error Codes"): 5 busy, 6 locked, 8 read-only, 10 I/O, 13 full, 14 cannot
/// open, and their extended codes.
fn is_outage_code(code: &str) -> bool {
    let is_postgres = code.len() == 5
        && (["08", "28", "3D", "40", "53", "55P", "57"]
            .iter()
            .any(|class| code.starts_with(class))
            || code == "25006");
    let is_sqlite = code.len() < 5
        && code
            .parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14));
    is_postgres || is_sqlite
}
