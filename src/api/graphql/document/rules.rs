//! What a document may contain.

use crate::domain::document_limits::DocumentLimits;

/// The limits of a document, and whether it may read the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentRules {
    pub(crate) limits: DocumentLimits,
    pub(crate) is_introspection_on: bool,
}
