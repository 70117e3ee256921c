//! What is done with a document on both transports, before the engine executes it and after: bounded, parsed, measured, and its errors
//! tidied.
//!
//! In this order, so that each step costs no more than the one before allows: the text is scanned ([`text`]), then parsed, then measured
//! with its fragments in place ([`measure`]). The engine has no limits of its own besides.

mod measure;
mod text;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::parser::{Error as ParserError, parse_query};
use async_graphql::{Pos, Request, Response, ServerError};

use super::error::{GraphqlError, give_code};
use crate::domain::document::DocumentLimits;
use crate::domain::{Error, Result};

/// Most errors in one answer.
const MAX_ERRORS: usize = 10;

/// What documents may hold and ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) limits: DocumentLimits,
    pub(super) is_introspection_on: bool,
}

/// A request whose document parses.
pub(super) struct Parsed {
    request: Request,
    document: ExecutableDocument,
}

impl Rules {
    /// Parses a document that is not too long or too deep for the parser.
    ///
    /// # Errors
    /// An error with its code and, where it does not parse, its place.
    pub(super) fn parse(&self, request: Request) -> std::result::Result<Parsed, ServerError> {
        text::check(&request.query, &self.limits).map_err(|fault| match fault {
            text::Fault::TooLarge(error) => GraphqlError::from(error).into(),
            text::Fault::OpenString(at) => does_not_parse(Some(at)),
        })?;
        match parse_query(&request.query) {
            Ok(document) => Ok(Parsed { request, document }),
            Err(error) => Err(does_not_parse(place(&error))),
        }
    }

    /// The request for the engine, which need not parse it again.
    ///
    /// # Errors
    /// `Document` for a document that is too large or asks for the schema in vain, `BadRequest` where no operation is chosen.
    pub(super) fn check(&self, parsed: Parsed) -> Result<Request> {
        if parsed.kind().is_none() {
            return Err(Error::bad_request(
                "The parameter operationName must name one of the document's operations.",
            ));
        }
        let Parsed { mut request, document } = parsed;
        measure::check(&document, self)?;
        request.set_parsed_query(document);
        Ok(request)
    }

    /// An answer of the engine in which every error has a code.
    pub(super) fn tidied(&self, mut outcome: Response) -> Response {
        // The engine reports a mistake as often as it is made.
        outcome.errors.truncate(MAX_ERRORS);
        outcome.errors = outcome
            .errors
            .into_iter()
            .map(|error| self.tidied_error(error))
            .collect();
        outcome
    }

    /// The engine's own sentences name types, fields and arguments that the client has not named, so where the schema cannot be asked
    /// for, it could be guessed from them: what is left there is the place. Ours have a code, and stay.
    fn tidied_error(&self, mut error: ServerError) -> ServerError {
        let is_ours = error
            .extensions
            .as_ref()
            .is_some_and(|extensions| extensions.get("code").is_some());
        if !is_ours && !self.is_introspection_on {
            error.message = match error.locations.first() {
                Some(at) => format!("The document does not fit the schema{}.", see(*at)),
                None => "The request does not fit the schema.".to_owned(),
            };
        }
        give_code(error)
    }
}

impl Parsed {
    /// The kind of the chosen operation; `None` if there is no such operation.
    pub(super) fn kind(&self) -> Option<OperationType> {
        let name = self.request.operation_name.as_deref();
        let chosen = match (&self.document.operations, name) {
            (DocumentOperations::Single(operation), None) => Some(operation),
            (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
            // The only one need not be named in the request, although it has a name.
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations.values().next(),
            (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => None,
        };
        chosen.map(|operation| operation.node.ty)
    }
}

fn place(error: &ParserError) -> Option<Pos> {
    error.positions().next()
}

/// The parser's own sentence quotes the line, and in it may stand a password.
fn does_not_parse(place: Option<Pos>) -> ServerError {
    let at = place.map_or(String::new(), see);
    give_code(ServerError::new(format!("The document does not parse{at}."), place))
}

fn see(place: Pos) -> String {
    format!(": see line {}, column {}", place.line, place.column)
}
