//! The outbox on both databases: each message is delivered, and none by two workers at once.

mod claims;
mod crash;
mod delivery;
mod fixture;
mod schedule;
