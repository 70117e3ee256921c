//! The limits on the size of a GraphQL document.

/// The largest size that a GraphQL document may have. Everything but `tokens` is counted after
/// fragment spreads are replaced by their fragments.
#[derive(Debug, Clone, Copy)]
pub struct DocumentLimits {
    /// Nested levels of braces, brackets and parentheses.
    pub depth: usize,
    /// Fields.
    pub fields: usize,
    /// Fields with an alias.
    pub aliases: usize,
    /// Fields at the top of the operations. Each of them calls the service.
    pub root_fields: usize,
    /// Directives.
    pub directives: usize,
    /// Lexical tokens of the text (GraphQL specification, section 2.1.6).
    pub tokens: usize,
}

impl DocumentLimits {
    /// The defaults of `GRAPHQL_MAX_DEPTH` and the settings after it.
    pub const DEFAULT: Self = Self {
        depth: 20,
        fields: 300,
        aliases: 30,
        root_fields: 30,
        directives: 30,
        tokens: 2000,
    };
}
