//! Sessions, from sign-in to logout.

mod authenticate;
pub(crate) mod end;
pub(crate) mod end_all;
mod list;
pub(crate) mod logout;
mod refresh;
pub(crate) mod tokens;
pub(crate) mod watch;
