//! GraphQL documents: the size that they may have.

use clap::Args;

use crate::config::values;
use crate::domain::document_limits::DocumentLimits;

/// The parser itself refuses deeper documents.
const MAX_DEPTH: usize = 60;
const MAX_COUNT: usize = 100_000;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GraphQL documents")]
pub struct GraphqlSettings {
    /// Most levels of braces, brackets and parentheses, with fragments expanded
    #[arg(long, global = true, default_value = "20", value_parser = |text: &str| values::number(text, 1_usize, MAX_DEPTH, 20))]
    pub graphql_max_depth: usize,
    /// Most fields, with fragments expanded
    #[arg(long, global = true, default_value = "300", value_parser = |text: &str| values::number(text, 1_usize, MAX_COUNT, 300))]
    pub graphql_max_fields: usize,
    /// Most aliases, with fragments expanded
    #[arg(long, global = true, default_value = "30", value_parser = |text: &str| values::number(text, 0_usize, MAX_COUNT, 30))]
    pub graphql_max_aliases: usize,
    /// Most top-level fields, with fragments expanded; each of them is one operation
    #[arg(long, global = true, default_value = "30", value_parser = |text: &str| values::number(text, 1_usize, MAX_COUNT, 30))]
    pub graphql_max_root_fields: usize,
    /// Most directives, with fragments expanded
    #[arg(long, global = true, default_value = "30", value_parser = |text: &str| values::number(text, 0_usize, MAX_COUNT, 30))]
    pub graphql_max_directives: usize,
    /// Most lexical tokens, as sent
    #[arg(long, global = true, default_value = "2000", value_parser = |text: &str| values::number(text, 1_usize, MAX_COUNT, 2000))]
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
