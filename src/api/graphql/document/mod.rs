//! GraphQL documents, on both transports: bounded and parsed before the engine, and the engine's
//! errors sanitized after it.
//!
//! Each step bounds the cost of the next one:
//!
//! 1. [`scanner`] counts the tokens and the depth of the text, without recursion.
//! 2. The engine's parser parses it.
//! 3. [`measure`] counts fields, aliases and directives with all fragments expanded.
//! 4. The engine validates and executes it. It has no limits of its own that would be met first.
//!
//! [`cache`] keeps the parsed document, so that a client that sends the same text again pays for
//! the fourth step alone.

mod cache;
mod defaults;
mod documents;
mod engine_errors;
mod measure;
mod parameters;
mod refusal;
mod rules;
mod scanner;

pub(crate) use documents::{BoundedRequest, Documents};
pub(crate) use engine_errors::is_request_error;
pub(crate) use parameters::Parameters;
pub(crate) use rules::DocumentRules;
