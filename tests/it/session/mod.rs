//! Sessions as clients see them.

mod ended;
mod list;
mod logout;
mod refresh;
