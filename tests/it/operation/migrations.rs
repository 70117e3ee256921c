//! Migrations in both directions, on both databases.

use crate::harness::{Backend, Stores, run_to_end};

/// Runs a `migrate` command. Returns the numbers of applied and of pending steps.
fn migrate(stores: &Stores, arguments: &[&str]) -> (usize, usize) {
    let environment = [("DATABASE_URL", stores.database_url.as_str())];
    let output = run_to_end(stores.folder.path(), &[&["migrate"], arguments].concat(), &environment);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    (lines.matches("applied").count(), lines.matches("pending").count())
}

async fn every_step_goes_up_down_and_up_again(backend: Backend) {
    let stores = Stores::new(backend).await;
    let (applied, all) = migrate(&stores, &["status"]);
    assert_eq!(applied, 0);
    assert!(all >= 8, "only {all} steps");
    assert_eq!(migrate(&stores, &["up"]), (all, 0));
    assert_eq!(stores.rows().await, (0, 0));
    assert_eq!(migrate(&stores, &["down"]), (all - 1, 1));
    assert_eq!(migrate(&stores, &["down", "--steps", &(all - 1).to_string()]), (0, all));
    assert_eq!(migrate(&stores, &[]), (all, 0));
    assert_eq!(migrate(&stores, &["up"]), (all, 0));
    assert_eq!(stores.rows().await, (0, 0));
}

#[tokio::test]
async fn every_step_goes_up_down_and_up_again_on_sqlite() {
    every_step_goes_up_down_and_up_again(Backend::Sqlite).await;
}

#[tokio::test]
async fn every_step_goes_up_down_and_up_again_on_postgres() {
    every_step_goes_up_down_and_up_again(Backend::Postgres).await;
}

/// Before the credentials version, the hash was required. Both directions keep it.
async fn accounts_survive_the_credentials_version(backend: Backend) {
    const STEPS_BEFORE: usize = 7;
    let stores = Stores::new(backend).await;
    let (all, _) = migrate(&stores, &["up"]);
    let back = (all - STEPS_BEFORE).to_string();
    assert_eq!(
        migrate(&stores, &["down", "--steps", &back]),
        (STEPS_BEFORE, all - STEPS_BEFORE)
    );
    let id = match backend {
        Backend::Sqlite => "X'00000000000000000000000000000001'",
        Backend::Postgres | Backend::PostgresRedis => "'00000000-0000-0000-0000-000000000001'",
    };
    let insert = format!(
        "INSERT INTO accounts (id, email, email_key, username, username_key, password_hash, roles, created_at) \
         VALUES ({id}, 'a@b.c', 'a@b.c', 'ab', 'ab', 'hash', 'user', 1)"
    );
    stores.execute(&insert).await;
    migrate(&stores, &["up"]);
    let version = "SELECT CAST(credentials_version AS TEXT) FROM accounts";
    assert_eq!(stores.text(version).await, "1");
    assert_eq!(stores.text("SELECT password_hash FROM accounts").await, "hash");
    stores.execute("UPDATE accounts SET password_hash = NULL").await;
    migrate(&stores, &["down", "--steps", &back]);
    assert_eq!(
        stores.text("SELECT password_hash FROM accounts").await,
        "",
        "no password matches an empty hash"
    );
}

#[tokio::test]
async fn accounts_survive_the_credentials_version_on_sqlite() {
    accounts_survive_the_credentials_version(Backend::Sqlite).await;
}

#[tokio::test]
async fn accounts_survive_the_credentials_version_on_postgres() {
    accounts_survive_the_credentials_version(Backend::Postgres).await;
}
