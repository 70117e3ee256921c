//! GraphQL documents: the size that they may have.

use clap::Args;

use crate::config::values;
use crate::domain::document_limits::DocumentLimits;

const DEFAULT: DocumentLimits = DocumentLimits::DEFAULT;
/// The parser itself refuses deeper documents.
const MAX_DEPTH: usize = 60;
const MAX_COUNT: usize = 100_000;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GraphQL documents")]
pub struct GraphqlSettings {
    /// Most levels of braces, brackets and parentheses, with fragments expanded
    #[arg(long, global = true, default_value_t = DEFAULT.depth, value_parser = |text: &str| values::number(text, 1_usize, MAX_DEPTH, DEFAULT.depth))]
    pub graphql_max_depth: usize,
    /// Most fields, with fragments expanded
    #[arg(long, global = true, default_value_t = DEFAULT.fields, value_parser = |text: &str| values::number(text, 1_usize, MAX_COUNT, DEFAULT.fields))]
    pub graphql_max_fields: usize,
    /// Most aliases, with fragments expanded
    #[arg(long, global = true, default_value_t = DEFAULT.aliases, value_parser = |text: &str| values::number(text, 0_usize, MAX_COUNT, DEFAULT.aliases))]
    pub graphql_max_aliases: usize,
    /// Most top-level fields, with fragments expanded; each of them is one operation
    #[arg(long, global = true, default_value_t = DEFAULT.root_fields, value_parser = |text: &str| values::number(text, 1_usize, MAX_COUNT, DEFAULT.root_fields))]
    pub graphql_max_root_fields: usize,
    /// Most directives, with fragments expanded
    #[arg(long, global = true, default_value_t = DEFAULT.directives, value_parser = |text: &str| values::number(text, 0_usize, MAX_COUNT, DEFAULT.directives))]
    pub graphql_max_directives: usize,
    /// Most lexical tokens, as sent
    #[arg(long, global = true, default_value_t = DEFAULT.tokens, value_parser = |text: &str| values::number(text, 1_usize, MAX_COUNT, DEFAULT.tokens))]
    pub graphql_max_tokens: usize,
}

impl GraphqlSettings {
    #[must_use]
    pub fn document_limits(&self) -> DocumentLimits {
        DocumentLimits {
            depth: self.graphql_max_depth,
            fields: self.graphql_max_fields,
            aliases: self.graphql_max_aliases,
            root_fields: self.graphql_max_root_fields,
            directives: self.graphql_max_directives,
            tokens: self.graphql_max_tokens,
        }
    }
}
