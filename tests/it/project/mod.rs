//! Checks of the source code and the documents. These tests need no server.

mod api_parity;
mod layers;
mod module_graph;
mod security_document;
mod settings;
mod snapshots;
mod source;
mod words;
