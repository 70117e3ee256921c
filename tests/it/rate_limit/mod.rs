//! Rate limits.

mod limits;
