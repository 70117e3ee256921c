//! Session state in Redis, over the truth in SQL.

mod change_log_cursor;
mod external_changes;
mod lookup;
mod profile;
mod rotation;
mod script;
mod script_reply;
mod store;
mod tombstones;

pub use store::RedisSessions;
