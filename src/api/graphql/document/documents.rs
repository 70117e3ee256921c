//! From the parameters of a request to a request for the engine.

use std::result::Result;
use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Request, Response, ServerError, Variables};

use crate::api::graphql::document::cache::DocumentCache;
use crate::api::graphql::document::parameters::Parameters;
use crate::api::graphql::document::rules::DocumentRules;
use crate::api::graphql::document::scanner::{self, ScanError};
use crate::api::graphql::document::{defaults, engine_errors, measure};
use crate::api::graphql::error::GraphqlError;
use crate::api::http::error::ApiError;

/// Parses documents within the rules, and keeps the parsed ones for the next request.
#[derive(Clone)]
pub(crate) struct Documents {
    rules: DocumentRules,
    cache: Arc<DocumentCache>,
}

/// A request whose document parses and is within all limits. The engine validates it later.
pub(crate) struct BoundedRequest {
    document: Arc<ExecutableDocument>,
    operation_name: Option<String>,
    variables: Variables,
}

impl Documents {
    pub(crate) fn new(rules: DocumentRules) -> Self {
        Self {
            rules,
            cache: Arc::new(DocumentCache::new()),
        }
    }

    /// Parses and bounds the document of a request.
    ///
    /// # Errors
    /// A request error with its code: the document does not parse, is too large, contains a cycle
    /// of fragments, or reads the schema where introspection is off.
    pub(crate) fn parse(&self, parameters: Parameters) -> Result<BoundedRequest, ServerError> {
        Ok(BoundedRequest {
            document: self.find_or_parse(&parameters.query)?,
            operation_name: parameters.operation_name,
            variables: parameters.variables,
        })
    }

    fn find_or_parse(&self, text: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
        if let Some(document) = self.cache.find(text) {
            return Ok(document);
        }
        let tokens = scanner::count_tokens(text, &self.rules.limits).map_err(|error| match error {
            ScanError::TooLarge(error) => GraphqlError::from(error).into(),
            ScanError::UnterminatedString(start) => engine_errors::syntax_error(Some(start)),
        })?;
        let mut document = parse_query(text).map_err(|error| engine_errors::syntax_error(error.positions().next()))?;
        measure::check(&document, &self.rules).map_err(GraphqlError::from)?;
        defaults::remove_unverifiable(&mut document);
        let document = Arc::new(document);
        self.cache.insert(text, document.clone(), tokens);
        Ok(document)
    }

    /// A response in which every error has a code, and no error reveals a hidden schema.
    pub(crate) fn sanitize_errors(&self, response: Response) -> Response {
        engine_errors::sanitize(response, &self.rules)
    }
}

impl BoundedRequest {
    /// The type of the selected operation; `None` if the request selects none.
    pub(crate) fn operation_type(&self) -> Option<OperationType> {
        let selected = match (&self.document.operations, self.operation_name.as_deref()) {
            (DocumentOperations::Single(operation), None) => Some(operation),
            (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
            // A single operation may have a name, and the request need not repeat it.
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations.values().next(),
            (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => None,
        };
        selected.map(|operation| operation.node.ty)
    }

    /// The request for the engine, which does not parse the text again.
    ///
    /// # Errors
    /// `BadRequest` if the request selects no operation.
    pub(crate) fn into_engine_request(self) -> Result<Request, ApiError> {
        if self.operation_type().is_none() {
            return Err(ApiError::bad_request(
                "The parameter operationName must name one of the document's operations.",
            ));
        }
        // The engine ignores the text if it gets a parsed document.
        let mut request = Request::new(String::new()).variables(self.variables);
        request.operation_name = self.operation_name;
        request.set_parsed_query(Arc::unwrap_or_clone(self.document));
        Ok(request)
    }
}
