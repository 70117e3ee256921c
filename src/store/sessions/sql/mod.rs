//! Sessions in SQL: the truth, and on a node without Redis the only state.

mod change_log;
mod credentials;
mod lookup;
mod remembered;
mod rotation;
mod store;

pub use store::SqlSessions;
