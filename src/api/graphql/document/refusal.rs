//! Why a GraphQL document is refused before anything of it is executed.

use crate::api::http::error::{ApiError, Result};
use crate::domain::document_limits::DocumentLimits;

/// What is counted in a document; see [`DocumentLimits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Depth,
    Fields,
    Aliases,
    RootFields,
    Directives,
    Tokens,
}

/// Why a document, or the request with it, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentRefusal {
    /// The document has more of a measure than this limit.
    TooLarge(Measure, usize),
    /// The request is a batch of several documents.
    Batch,
    /// The document queries the schema, and introspection is off.
    IntrospectionOff,
}

impl Measure {
    /// Refuses a document with this count.
    ///
    /// # Errors
    /// `Document` for a count above the limit.
    pub(crate) fn check(self, limits: &DocumentLimits, count: usize) -> Result<()> {
        let limit = self.limit(limits);
        if count > limit {
            return Err(DocumentRefusal::TooLarge(self, limit).into());
        }
        Ok(())
    }

    fn limit(self, limits: &DocumentLimits) -> usize {
        match self {
            Self::Depth => limits.depth,
            Self::Fields => limits.fields,
            Self::Aliases => limits.aliases,
            Self::RootFields => limits.root_fields,
            Self::Directives => limits.directives,
            Self::Tokens => limits.tokens,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Depth => "GRAPHQL_TOO_DEEP",
            Self::Fields => "GRAPHQL_TOO_MANY_FIELDS",
            Self::Aliases => "GRAPHQL_TOO_MANY_ALIASES",
            Self::RootFields => "GRAPHQL_TOO_MANY_ROOT_FIELDS",
            Self::Directives => "GRAPHQL_TOO_MANY_DIRECTIVES",
            Self::Tokens => "GRAPHQL_TOO_MANY_TOKENS",
        }
    }

    fn message(self, limit: usize) -> String {
        match self {
            Self::Depth => format!("The document is nested too deep: at most {limit} levels."),
            Self::Fields => format!("The document has too many fields: at most {limit}."),
            Self::Aliases => format!("The document has too many aliases: at most {limit}."),
            Self::RootFields => format!("The document has too many fields at its top: at most {limit}."),
            Self::Directives => format!("The document has too many directives: at most {limit}."),
            Self::Tokens => format!("The document is too long: at most {limit} tokens."),
        }
    }
}

impl From<DocumentRefusal> for ApiError {
    fn from(refusal: DocumentRefusal) -> Self {
        let (code, message) = match refusal {
            DocumentRefusal::TooLarge(measure, limit) => (measure.code(), measure.message(limit)),
            DocumentRefusal::Batch => (
                "GRAPHQL_BATCH",
                "Batches are not taken: send one request at a time.".to_owned(),
            ),
            DocumentRefusal::IntrospectionOff => (
                "GRAPHQL_INTROSPECTION_OFF",
                "Introspection is off: the schema cannot be asked for here.".to_owned(),
            ),
        };
        Self::Document { code, message }
    }
}
