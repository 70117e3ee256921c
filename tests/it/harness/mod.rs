//! The test harness. Each test has its own database, its own gateway on a free port, and a clock
//! that it advances.

mod app;
mod client;
mod clock;
mod eventually;
mod forger;
mod process;
mod proxy;
mod raw_connection;
mod redis_user;
mod report;
mod stores;
mod websocket;

pub use app::{AUTH_SECRET, TestApp};
pub use client::{Api, Client, SignedIn, code, http, raw};
pub use clock::ManualClock;
pub use eventually::eventually;
pub use forger::{TokenForger, decode, encode, refresh_tag};
pub use process::{Process, node, run_to_end};
pub use proxy::{State, TcpProxy};
pub use raw_connection::RawConnection;
pub use redis_user::RedisUser;
pub use report::AttackReport;
pub use stores::{Backend, Stores, redis_url};
pub use websocket::{Received, Socket};

/// Expands to one test for each API on each backend, all with the same body.
macro_rules! scenario {
    ($(#[$doc:meta])* async fn $name:ident($app:ident: &TestApp) $body:block) => {
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every scenario needs all of its file's imports")]
            use super::*;

            async fn scenario($app: &TestApp) $body

            $crate::harness::scenario!(@test sqlite_rest, Sqlite, Rest);
            $crate::harness::scenario!(@test sqlite_graphql, Sqlite, Graphql);
            $crate::harness::scenario!(@test postgres_rest, Postgres, Rest);
            $crate::harness::scenario!(@test postgres_graphql, Postgres, Graphql);
            $crate::harness::scenario!(@test postgres_redis_rest, PostgresRedis, Rest);
            $crate::harness::scenario!(@test postgres_redis_graphql, PostgresRedis, Graphql);
        }
    };
    (@test $test:ident, $backend:ident, $api:ident) => {
        #[tokio::test]
        async fn $test() {
            let app = $crate::harness::TestApp::new($crate::harness::Backend::$backend, $crate::harness::Api::$api).await;
            scenario(&app).await;
        }
    };
}
pub(crate) use scenario;
