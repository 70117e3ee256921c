//! Rows that a node deletes by itself.

use std::time::Duration;

use auth_gateway::domain::clock::Clock;
use uuid::Uuid;

use crate::harness::{Api, Backend, TestApp, eventually};

async fn expired_tokens_and_old_messages_are_deleted(backend: Backend) {
    let app = TestApp::new(backend, Api::Rest).await;
    let (now, week) = (app.clock.now().millis(), 7 * 24 * 3_600_000_i64);
    for (expires_at, created_at) in [(now, now - week), (now + week, now)] {
        let bytes = if backend == Backend::Sqlite {
            "X'00'"
        } else {
            "decode(md5(random()::text), 'hex')"
        };
        let digest = if expires_at == now {
            bytes.to_owned()
        } else {
            bytes.replace("00", "01")
        };
        let (token, message) = (Uuid::new_v4(), Uuid::new_v4());
        let id = |id: Uuid| match backend {
            Backend::Sqlite => format!("X'{}'", id.simple()),
            Backend::Postgres | Backend::PostgresRedis => format!("'{id}'"),
        };
        app.stores
            .execute(&format!(
                "INSERT INTO one_time_tokens \
                 (id, purpose, digest, sealed_payload, tries, max_tries, created_at, expires_at) \
                 VALUES ({}, 'password_reset', {digest}, {bytes}, 0, 1, {created_at}, {expires_at})",
                id(token)
            ))
            .await;
        app.stores
            .execute(&format!(
                "INSERT INTO outbox (id, kind, created_at, next_attempt_at, expires_at, attempts, delivered_at) \
                 VALUES ({}, 'test', {created_at}, {created_at}, {created_at}, 1, {created_at})",
                id(message)
            ))
            .await;
    }
    app.clock.advance(Duration::from_mins(1));
    let swept = async || {
        let rows = (
            app.stores.count("one_time_tokens").await,
            app.stores.count("outbox").await,
        );
        (rows == (1, 1)).then_some(())
    };
    eventually("what is over is deleted, and nothing else", swept).await;
}

#[tokio::test]
async fn expired_tokens_and_old_messages_are_deleted_on_sqlite() {
    expired_tokens_and_old_messages_are_deleted(Backend::Sqlite).await;
}

#[tokio::test]
async fn expired_tokens_and_old_messages_are_deleted_on_postgres() {
    expired_tokens_and_old_messages_are_deleted(Backend::Postgres).await;
}

#[tokio::test]
async fn expired_tokens_and_old_messages_are_deleted_on_postgres_redis() {
    expired_tokens_and_old_messages_are_deleted(Backend::PostgresRedis).await;
}
