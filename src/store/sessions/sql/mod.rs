//! Sessions in SQL: the truth about which sessions exist, and without Redis their only state.

mod change_log;
mod credentials;
mod lookup;
mod rotation;
mod store;

pub use store::SqlSessions;
