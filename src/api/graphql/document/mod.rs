//! What is done with a document on both transports, before the engine executes it and after: bounded, parsed, measured, and its errors
//! tidied.
//!
//! In this order, so that each step costs no more than the one before allows: the text is scanned ([`text`]), then parsed, then measured
//! with its fragments in place ([`measure`]). The engine has no limits of its own besides. A document that went all the way is remembered
//! ([`known`]), and goes straight to the engine when it comes again.

mod answers;
mod defaults;
mod known;
mod measure;
mod parameters;
mod text;

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::parser::{Error as ParserError, parse_query};
use async_graphql::{Pos, Request, Response, ServerError, Value, Variables};

use crate::api::graphql::error::{GraphqlError, give_code};
use crate::domain::document_limits::DocumentLimits;
use crate::domain::{Error, Result};
use known::{KnownDocument, KnownDocuments};

pub(crate) use answers::Answers;
pub(crate) use known::DocumentId;
pub(crate) use parameters::Parameters;

/// Most errors in one answer.
const MAX_ERRORS: usize = 10;

/// What documents may hold and ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) limits: DocumentLimits,
    pub(crate) is_introspection_on: bool,
}

/// The rules, and the documents that are known to keep them.
#[derive(Clone)]
pub(crate) struct Documents {
    rules: Rules,
    known: Arc<KnownDocuments>,
}

/// A request whose document parses.
pub(crate) struct Parsed<'a> {
    text: Cow<'a, str>,
    document: Document,
    operation_name: Option<String>,
    variables: Variables,
}

enum Document {
    Known(Arc<KnownDocument>),
    /// With its number of tokens.
    New(ExecutableDocument, usize),
}

/// A request for the engine.
pub(crate) struct Checked<'a> {
    pub(crate) request: Request,
    /// Whether the engine would find nothing wrong with it: it took the very same document before, and nothing else is part of that verification.
    pub(crate) is_valid: bool,
    /// To be remembered if the engine takes it.
    pub(crate) candidate: Option<Candidate<'a>>,
}

/// A document that may be remembered.
pub(crate) struct Candidate<'a> {
    text: Cow<'a, str>,
    document: Arc<KnownDocument>,
}

impl Documents {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            known: Arc::new(KnownDocuments::none()),
        }
    }

    /// Parses a document that is not too long or too deep for the parser.
    ///
    /// # Errors
    /// An error with its code and, where it does not parse, its place.
    pub(crate) fn parse<'a>(&self, parameters: Parameters<'a>) -> std::result::Result<Parsed<'a>, ServerError> {
        let Parameters {
            query: text,
            operation_name,
            variables,
        } = parameters;
        let document = match self.known.find(&text) {
            Some(known) => Document::Known(known),
            None => self.rules.parse(&text)?,
        };
        Ok(Parsed {
            text,
            document,
            operation_name,
            variables,
        })
    }

    /// The request for the engine, which need not parse it again.
    ///
    /// # Errors
    /// `Document` for a document that is too large or asks for the schema in vain, `BadRequest` where no operation is chosen.
    pub(crate) fn check<'a>(&self, parsed: Parsed<'a>) -> Result<Checked<'a>> {
        if parsed.kind().is_none() {
            return Err(Error::bad_request(
                "The parameter operationName must name one of the document's operations.",
            ));
        }
        let (document, is_valid, candidate) = match parsed.document {
            Document::Known(known) => (known.parsed.clone(), known.is_constant, None),
            Document::New(mut document, tokens) => {
                measure::check(&document, &self.rules)?;
                defaults::drop_unjudgeable(&mut document);
                let known = KnownDocument::of(&parsed.text, &document, tokens);
                let candidate = known.map(|known| Candidate {
                    text: parsed.text,
                    document: Arc::new(known),
                });
                (document, false, candidate)
            }
        };
        // The engine reads the text only where it gets nothing else.
        let mut request = Request::new(String::new()).variables(parsed.variables);
        request.operation_name = parsed.operation_name;
        request.set_parsed_query(document);
        Ok(Checked {
            request,
            is_valid,
            candidate,
        })
    }

    /// Remembers a document to which the engine gave this answer, if it took it.
    pub(crate) fn learn(&self, candidate: Option<Candidate<'_>>, answer: &Response) {
        if let Some(Candidate { text, document }) = candidate.filter(|_| !is_refusal(answer)) {
            self.known.remember(text, document);
        }
    }

    /// As [`Rules::tidied`].
    pub(crate) fn tidied(&self, outcome: Response) -> Response {
        self.rules.tidied(outcome)
    }
}

/// Whether nothing was executed: an error without a path is one of the request as a whole.
pub(crate) fn is_refusal(answer: &Response) -> bool {
    answer.data == Value::Null && !answer.errors.is_empty() && answer.errors.iter().all(|error| error.path.is_empty())
}

impl Rules {
    fn parse(&self, text: &str) -> std::result::Result<Document, ServerError> {
        let tokens = text::check(text, &self.limits).map_err(|fault| match fault {
            text::Fault::TooLarge(error) => GraphqlError::from(error).into(),
            text::Fault::OpenString(at) => does_not_parse(Some(at)),
        })?;
        match parse_query(text) {
            Ok(document) => Ok(Document::New(document, tokens)),
            Err(error) => Err(does_not_parse(place(&error))),
        }
    }

    /// An answer of the engine in which every error has a code.
    pub(crate) fn tidied(&self, mut outcome: Response) -> Response {
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

impl Parsed<'_> {
    /// The document, if it is known, will be taken, and its answer follows from the caller's account alone.
    pub(crate) fn about_me(&self) -> Option<DocumentId> {
        match &self.document {
            Document::Known(known) if known.is_about_me && self.kind().is_some() => Some(known.id),
            Document::Known(_) | Document::New(..) => None,
        }
    }

    /// The kind of the chosen operation; `None` if there is no such operation.
    pub(crate) fn kind(&self) -> Option<OperationType> {
        let operations = match &self.document {
            Document::Known(known) => &known.parsed.operations,
            Document::New(document, _) => &document.operations,
        };
        let chosen = match (operations, self.operation_name.as_deref()) {
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
