//! SQLite as the session store: changes by other programs, and the query plans.

use auth_gateway::domain::account::AccountId;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::harness::Backend;
use crate::session_store::fixture::{START, StoreFixture};

#[tokio::test]
async fn a_change_of_a_session_by_another_program_is_visible_at_once_in_sqlite() {
    let another = AccountId::random();
    let changes = [
        "ended_at = 1, end_reason = 'logout'".to_owned(),
        "expires_at = 1".to_owned(),
        "rotated_at = 1".to_owned(),
        format!("account_id = X'{}'", another.0.simple()),
    ];
    for change in &changes {
        let fixture = StoreFixture::new(Backend::Sqlite).await;
        let others = fixture.add_account(another, "jane").await;
        let session = fixture.open().await;
        assert_eq!(fixture.account_of(session).await.unwrap().id, fixture.account);
        fixture
            .by_sql(&format!(
                "UPDATE sessions SET {change} WHERE account_id {}",
                fixture.own()
            ))
            .await;
        let found = fixture.account_of(session).await.map(|account| account.id);
        assert_eq!(found, change.starts_with("account").then_some(another), "{change}");
        assert!(fixture.is_live(others, START).await);
    }
}

/// Nearly every session is open, so the index of ends would be a bad way to find a few of them.
#[tokio::test]
async fn sqlite_finds_sessions_by_the_index_of_ids() {
    let fixture = StoreFixture::new(Backend::Sqlite).await;
    let connection = fixture.stores.connect().await;
    let some = format!(
        "sessions.id IN ({}) AND sessions.ended_at IS NULL",
        ["X'00'"; 32].join(", ")
    );
    for statement in [
        format!("SELECT email FROM sessions JOIN accounts ON sessions.account_id = accounts.id WHERE {some}"),
        format!("UPDATE sessions SET ended_at = 1 WHERE {some}"),
    ] {
        let question = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {statement}"));
        let steps = connection.query_all_raw(question).await.unwrap();
        let first: String = steps[0].try_get("", "detail").unwrap();
        assert!(
            first.starts_with("SEARCH sessions") && first.ends_with("(id=?)"),
            "{first}"
        );
    }
}
