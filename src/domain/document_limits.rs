//! How large a GraphQL document may be, and why one is refused before anything of it is executed.

use crate::domain::{Error, Result};

/// What is measured of a document. Everything but tokens is counted with fragments in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Levels of braces, brackets and parentheses.
    Depth,
    /// Fields.
    Fields,
    /// Fields that are given another name.
    Aliases,
    /// Fields at the top of the operations: each is an operation of the service.
    RootFields,
    /// Directives.
    Directives,
    /// Lexical tokens (GraphQL specification, section 2.1.6) of the text.
    Tokens,
}

/// The most of each measure.
#[derive(Debug, Clone, Copy)]
pub struct DocumentLimits {
    /// Of [`Measure::Depth`].
    pub depth: usize,
    /// Of [`Measure::Fields`].
    pub fields: usize,
    /// Of [`Measure::Aliases`].
    pub aliases: usize,
    /// Of [`Measure::RootFields`].
    pub root_fields: usize,
    /// Of [`Measure::Directives`].
    pub directives: usize,
    /// Of [`Measure::Tokens`].
    pub tokens: usize,
}

/// Why a document, or the request that holds it, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentRefusal {
    /// It holds more of something than this.
    TooMuch(Measure, usize),
    /// It is one of several in one request.
    Batch,
    /// It asks for the schema, and introspection is off.
    IntrospectionOff,
}

impl DocumentLimits {
    /// The most of this measure.
    #[must_use]
    pub fn most(&self, measure: Measure) -> usize {
        match measure {
            Measure::Depth => self.depth,
            Measure::Fields => self.fields,
            Measure::Aliases => self.aliases,
            Measure::RootFields => self.root_fields,
            Measure::Directives => self.directives,
            Measure::Tokens => self.tokens,
        }
    }

    /// Refuses a document that has this many.
    ///
    /// # Errors
    /// `Document` when it is more than the most.
    pub fn check(&self, measure: Measure, count: usize) -> Result<()> {
        let most = self.most(measure);
        if count > most {
            Err(Error::Document(DocumentRefusal::TooMuch(measure, most)))
        } else {
            Ok(())
        }
    }
}

impl DocumentRefusal {
    /// The stable code that clients branch on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooMuch(Measure::Depth, _) => "GRAPHQL_TOO_DEEP",
            Self::TooMuch(Measure::Fields, _) => "GRAPHQL_TOO_MANY_FIELDS",
            Self::TooMuch(Measure::Aliases, _) => "GRAPHQL_TOO_MANY_ALIASES",
            Self::TooMuch(Measure::RootFields, _) => "GRAPHQL_TOO_MANY_ROOT_FIELDS",
            Self::TooMuch(Measure::Directives, _) => "GRAPHQL_TOO_MANY_DIRECTIVES",
            Self::TooMuch(Measure::Tokens, _) => "GRAPHQL_TOO_MANY_TOKENS",
            Self::Batch => "GRAPHQL_BATCH",
            Self::IntrospectionOff => "GRAPHQL_INTROSPECTION_OFF",
        }
    }

    pub(super) fn sentence(self) -> String {
        let (measure, most) = match self {
            Self::TooMuch(measure, most) => (measure, most),
            Self::Batch => return "Batches are not taken: send one request at a time.".to_owned(),
            Self::IntrospectionOff => return "Introspection is off: the schema cannot be asked for here.".to_owned(),
        };
        match measure {
            Measure::Depth => format!("The document is nested too deep: at most {most} levels."),
            Measure::Fields => format!("The document has too many fields: at most {most}."),
            Measure::Aliases => format!("The document has too many aliases: at most {most}."),
            Measure::RootFields => format!("The document has too many fields at its top: at most {most}."),
            Measure::Directives => format!("The document has too many directives: at most {most}."),
            Measure::Tokens => format!("The document is too long: at most {most} tokens."),
        }
    }
}
