//! What a SQLite file has told of a session: remembered, and never for longer than it is so.

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::session::EndReason;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::harness::Backend;
use crate::session_store::fixture::{Outcome, START, StoreFixture};

/// A second gateway or the command line gives a reason; an operator may do anything.
#[tokio::test]
async fn whatever_else_makes_a_session_over_in_a_sqlite_file_shows_at_once() {
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

/// "Not ended" holds for nearly every session, so it is no way to find a few of them.
#[tokio::test]
async fn sqlite_finds_many_sessions_by_their_ids_and_reads_no_others() {
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

/// A step of the schema that was taken back under a running gateway, and a note that somebody else has written.
#[tokio::test]
async fn notes_that_do_not_tell_everything_are_not_relied_upon() {
    let fixture = StoreFixture::new(Backend::Sqlite).await;
    let session = fixture.open().await;
    fixture.by_sql("DROP TRIGGER sessions_note_end").await;
    assert!(fixture.is_live(session, START).await);
    fixture
        .by_sql("INSERT INTO changed_sessions (session_id, changed_at) VALUES ('which?', 1)")
        .await;
    assert!(fixture.is_live(session, START).await);
    fixture.sessions.end(session, EndReason::Logout, START).await.unwrap();
    assert!(!fixture.is_live(session, START).await);
}

/// Most of what is written to a file is no news of the session that is asked for.
#[tokio::test]
async fn what_sqlite_told_is_remembered_across_commits_until_the_schema_changes() {
    let fixture = StoreFixture::new(Backend::Sqlite).await;
    let session = fixture.open().await;
    // Only a change that nothing tells of shows whether the session was read anew.
    fixture.by_sql("DROP TRIGGER accounts_note_change").await;
    let before = fixture.profile().await;
    assert_eq!(fixture.account_of(session).await.as_ref(), Some(&before));
    fixture.make_admin().await;
    let other = fixture.open().await;
    assert_eq!(fixture.rotate(other, 1, START).await, Outcome::Current(2));
    assert_eq!(fixture.account_of(session).await, Some(before));
    fixture.by_sql("CREATE TABLE another (id INTEGER)").await;
    assert_eq!(fixture.account_of(session).await, Some(fixture.profile().await));
}
