//! Reads the fields of a request and gathers everything that is wrong with them, so that a person mends a form once.

use crate::domain::error::FieldProblem;
use crate::domain::{Error, Result};

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Problems(Vec<FieldProblem>);

impl Problems {
    /// Keeps a value, or notes what is wrong with it.
    pub(crate) fn check<T, M: Into<String>>(&mut self, field: &str, parsed: std::result::Result<T, M>) -> Option<T> {
        parsed.map_err(|message| self.note(field, message)).ok()
    }

    /// Notes a problem.
    pub(crate) fn note(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldProblem::new(field, message));
    }

    /// The error that names every field at fault.
    pub(crate) fn into_error(self) -> Error {
        Error::Validation(self.0)
    }
}

/// A field that the request must have.
pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::BadRequest {
        detail: format!("The field {field} is missing."),
        fields: vec![FieldProblem::new(field, "is required")],
    })
}
