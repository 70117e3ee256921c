//! `GraphiQL`, the page for exploring the GraphQL API in a browser.
//!
//! The page is a client like any other: this module does not depend on the schema or on accounts.
//! `api::graphql` decides whether it is served.
//!
//! `build.rs` embeds the packages of the page, so that it works without a network. If `build.rs`
//! cannot download them, the page loads the same files from a public CDN, with Subresource
//! Integrity.

mod files;
mod packages;
mod page;

pub(crate) use files::routes;
pub(crate) use page::page;
