//! SQL: SQLite or PostgreSQL through SeaORM.

pub(crate) mod connect;
pub(crate) mod database;
pub(crate) mod entity;
mod schema;
pub(crate) mod witness;

pub use database::Database;
pub use schema::MigrationState;
