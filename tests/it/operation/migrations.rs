//! Up, down and up again, on both databases.

use crate::harness::{Backend, Stores, run_to_end};

async fn up_down_and_up_again(backend: Backend) {
    let stores = Stores::new(backend).await;
    let migrate = |arguments: &[&str]| {
        let environment = [("DATABASE_URL", stores.database_url.as_str())];
        let output = run_to_end(stores.folder.path(), &[&["migrate"], arguments].concat(), &environment);
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        (lines.matches("applied").count(), lines.matches("pending").count())
    };
    assert_eq!(migrate(&["status"]), (0, 7));
    assert_eq!(migrate(&["up"]), (7, 0));
    assert_eq!(stores.rows().await, (0, 0));
    assert_eq!(migrate(&["down"]), (6, 1));
    assert_eq!(migrate(&["down", "--steps", "6"]), (0, 7));
    assert_eq!(migrate(&[]), (7, 0));
    assert_eq!(migrate(&["up"]), (7, 0));
    assert_eq!(stores.rows().await, (0, 0));
}

#[tokio::test]
async fn up_down_and_up_again_on_sqlite() {
    up_down_and_up_again(Backend::Sqlite).await;
}

#[tokio::test]
async fn up_down_and_up_again_on_postgres() {
    up_down_and_up_again(Backend::Postgres).await;
}
