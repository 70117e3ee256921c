//! One world for each test: its own database, a gateway of its own on a free port, a clock that the test moves.

mod client;
mod clock;
mod line;
mod patience;
mod process;
mod redis_user;
mod stores;
mod tally;
mod thief;
mod websocket;
mod wire;
mod world;

pub use client::{Client, Door, SignedIn, code, http, raw};
pub use clock::ManualClock;
pub use line::Line;
pub use patience::eventually;
pub use process::{Process, node, run_to_end};
pub use redis_user::RedisUser;
pub use stores::{Backend, Stores, redis_url};
pub use tally::Tally;
pub use thief::{Thief, decode, encode, refresh_tag};
pub use websocket::{Received, Socket};
pub use wire::{State, Wire};
pub use world::{AUTH_SECRET, World};

/// Writes one test for each door on each backend, all with the same body.
macro_rules! scenario {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: &World) $body:block) => {
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every scenario needs all of its file's imports")]
            use super::*;

            async fn scenario($world: &World) $body

            $crate::harness::scenario!(@test sqlite_rest, Sqlite, Rest);
            $crate::harness::scenario!(@test sqlite_graphql, Sqlite, Graphql);
            $crate::harness::scenario!(@test postgres_rest, Postgres, Rest);
            $crate::harness::scenario!(@test postgres_graphql, Postgres, Graphql);
            $crate::harness::scenario!(@test postgres_redis_rest, PostgresRedis, Rest);
            $crate::harness::scenario!(@test postgres_redis_graphql, PostgresRedis, Graphql);
        }
    };
    (@test $test:ident, $backend:ident, $door:ident) => {
        #[tokio::test]
        async fn $test() {
            let world = $crate::harness::World::new($crate::harness::Backend::$backend, $crate::harness::Door::$door).await;
            scenario(&world).await;
        }
    };
}
pub(crate) use scenario;
