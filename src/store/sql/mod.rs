//! SQL: SQLite or PostgreSQL through SeaORM.

pub(crate) mod connect;
pub(crate) mod database;
pub(crate) mod entity;
pub(crate) mod error;
pub(crate) mod row;
mod schema;

pub use database::Database;
pub use schema::MigrationState;
