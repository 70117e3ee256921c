//! Sessions: refresh, logout, list and the end of a session.

mod ended;
mod list;
mod logout;
mod refresh;
