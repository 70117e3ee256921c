//! Reads the fields of a request and collects all problems, so that one answer names them all.

use crate::domain::error::FieldProblem;
use crate::domain::{Error, Result};

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Problems(Vec<FieldProblem>);

impl Problems {
    /// Returns the value, or adds the problem and returns `None`.
    pub(crate) fn check<T, M: Into<String>>(&mut self, field: &str, parsed: std::result::Result<T, M>) -> Option<T> {
        parsed.map_err(|message| self.add(field, message)).ok()
    }

    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldProblem::new(field, message));
    }

    /// The error that names every invalid field.
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
