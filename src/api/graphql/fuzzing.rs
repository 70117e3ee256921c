//! Fuzz targets for documents and bodies, up to the point where the engine would call a resolver.

#![allow(clippy::panic, reason = "a fuzz target fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Response, Variables};
use futures_util::FutureExt;

use crate::api::graphql::document::{DocumentRules, Documents, Parameters};
use crate::api::graphql::schema::{self, GraphqlSchema};
use crate::api::http::error::Result;
use crate::domain::document_limits::DocumentLimits;

const DEFAULT_RULES: DocumentRules = rules(DocumentLimits::DEFAULT);
/// The largest limits that the settings accept.
const MAX_RULES: DocumentRules = rules(DocumentLimits {
    depth: 60,
    fields: 100_000,
    aliases: 100_000,
    root_fields: 100_000,
    directives: 100_000,
    tokens: 100_000,
});

const fn rules(limits: DocumentLimits) -> DocumentRules {
    DocumentRules {
        limits,
        is_introspection_on: true,
    }
}

static ENGINE: LazyLock<GraphqlSchema> = LazyLock::new(|| {
    let builder = schema::builder().extension(SkipExecution);
    builder.limit_recursive_depth(DEFAULT_RULES.limits.depth).finish()
});

/// Ends a request after its validation.
struct SkipExecution;

impl ExtensionFactory for SkipExecution {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for SkipExecution {
    async fn execute(&self, _: &ExtensionContext<'_>, _: Option<&str>, _: NextExecute<'_>) -> Response {
        Response::default()
    }
}

/// Bounds, parses, measures and validates a document.
///
/// # Panics
/// If an accepted document is larger than the limits allow, or an error has no code.
pub fn document(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let documents = Documents::new(MAX_RULES);
    // Even the largest limits must not overflow the stack.
    let _request = documents.parse(parameters(&text)).map(drop);
    validate_twice(|| Ok(parameters(&text)));
}

/// Reads a body, and the same bytes as the query of a URL.
pub(crate) fn body(data: &[u8]) {
    validate_twice(|| Parameters::from_body(data));
    let query = String::from_utf8_lossy(data);
    validate_twice(|| Parameters::from_url_query(&query));
}

fn parameters(text: &str) -> Parameters {
    Parameters {
        query: text.to_owned(),
        operation_name: None,
        variables: Variables::default(),
    }
}

/// A cached document must get the same errors as a new one.
fn validate_twice(read: impl Fn() -> Result<Parameters>) {
    let documents = Documents::new(DEFAULT_RULES);
    let [first, second] = [(); 2].map(|()| match read() {
        Ok(parameters) => validate(&documents, parameters),
        Err(error) => {
            assert!(["BAD_REQUEST", "GRAPHQL_BATCH"].contains(&error.code()), "{error}");
            Vec::new()
        }
    });
    assert_eq!(first, second, "a repeated document is validated differently");
}

/// The codes of the errors in the response.
fn validate(documents: &Documents, parameters: Parameters) -> Vec<String> {
    let text = parameters.query.clone();
    let Ok(request) = documents.parse(parameters) else {
        return Vec::new();
    };
    assert_bounded(&text);
    let Ok(request) = request.into_engine_request() else {
        return Vec::new();
    };
    let response = ENGINE.execute(request).now_or_never().unwrap_or_default();
    let errors = documents.sanitize_errors(response).errors.into_iter();
    errors
        .map(|error| {
            let extensions = error.extensions.unwrap_or_default();
            let code = extensions.get("code");
            code.unwrap_or_else(|| panic!("an error without a code: {}", error.message))
                .to_string()
        })
        .collect()
}

/// Expands every fragment, as the engine does, and counts fields and aliases one by one.
fn assert_bounded(text: &str) {
    let document = parse_query(text).unwrap_or_else(|error| panic!("an accepted document does not parse: {error}"));
    let mut counter = Counter {
        document: &document,
        remaining_fields: DEFAULT_RULES.limits.fields,
        remaining_aliases: DEFAULT_RULES.limits.aliases,
    };
    for (_, operation) in document.operations.iter() {
        counter.count(&operation.node.selection_set.node);
    }
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    remaining_fields: usize,
    remaining_aliases: usize,
}

impl<'a> Counter<'a> {
    fn count(&mut self, set: &'a SelectionSet) {
        let fragments: &HashMap<Name, _> = &self.document.fragments;
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let aliases = usize::from(field.node.alias.is_some());
                    let remaining = (
                        self.remaining_fields.checked_sub(1),
                        self.remaining_aliases.checked_sub(aliases),
                    );
                    let (Some(fields), Some(aliases)) = remaining else {
                        panic!("an accepted document is larger than the limits");
                    };
                    (self.remaining_fields, self.remaining_aliases) = (fields, aliases);
                    self.count(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => self.count(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.count(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}
