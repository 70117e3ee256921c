//! Documents and bodies of any bytes, up to the point where the engine would call a resolver.

#![allow(clippy::panic, reason = "a fuzzer's target fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Response, Variables};
use futures_util::FutureExt;

use crate::api::graphql::document::{DocumentRules, Documents, Parameters};
use crate::api::graphql::{Gateway, schema};
use crate::domain::Result;
use crate::domain::document_limits::DocumentLimits;

/// The limits that a gateway has unless it is told otherwise, and the widest that it can be told.
const USUAL: DocumentRules = rules(20, 300, 30, 2000);
const WIDEST: DocumentRules = rules(60, 100_000, 100_000, 100_000);

const fn rules(depth: usize, fields: usize, few: usize, tokens: usize) -> DocumentRules {
    DocumentRules {
        limits: DocumentLimits {
            depth,
            fields,
            aliases: few,
            root_fields: few,
            directives: few,
            tokens,
        },
        is_introspection_on: true,
    }
}

static ENGINE: LazyLock<Gateway> = LazyLock::new(|| {
    let builder = schema().extension(Halt);
    builder.limit_recursive_depth(USUAL.limits.depth).finish()
});

/// Ends a request when it has been validated.
struct Halt;

impl ExtensionFactory for Halt {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Halt {
    async fn execute(&self, _: &ExtensionContext<'_>, _: Option<&str>, _: NextExecute<'_>) -> Response {
        Response::default()
    }
}

/// A document, bounded, parsed, measured and validated.
///
/// # Panics
/// When one that is let through is larger than the limits allow, or an error lacks its code.
pub fn document(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let documents = Documents::new(WIDEST);
    let _within_the_stack = documents.parse(asking(&text)).map(drop);
    through_the_engine(|| Ok(asking(&text)));
}

/// A body, or the query of an address.
pub(crate) fn body(data: &[u8]) {
    through_the_engine(|| Parameters::from_body(data));
    let address = String::from_utf8_lossy(data);
    through_the_engine(|| Parameters::from_url_query(&address));
}

fn asking(text: &str) -> Parameters {
    Parameters {
        query: text.to_owned(),
        operation_name: None,
        variables: Variables::default(),
    }
}

/// Twice: what was taken is remembered, and must be judged as it was.
fn through_the_engine(read: impl Fn() -> Result<Parameters>) {
    let documents = Documents::new(USUAL);
    let verdicts = [(); 2].map(|()| match read() {
        Ok(parameters) => verification(&documents, parameters),
        Err(error) => {
            assert!(["BAD_REQUEST", "GRAPHQL_BATCH"].contains(&error.code()), "{error}");
            Vec::new()
        }
    });
    assert_eq!(verdicts[0], verdicts[1], "a repeated document is validated differently");
}

/// The codes of the errors in the answer.
fn verification(documents: &Documents, parameters: Parameters) -> Vec<String> {
    let text = parameters.query.clone();
    let Ok(request) = documents.parse(parameters) else {
        return Vec::new();
    };
    assert_bounded(&text);
    let Ok(request) = request.into_engine_request() else {
        return Vec::new();
    };
    let outcome = ENGINE.execute(request).now_or_never().unwrap_or_default();
    let errors = documents.sanitize_errors(outcome).errors.into_iter();
    errors
        .map(|error| {
            let extensions = error.extensions.unwrap_or_default();
            let code = extensions.get("code");
            code.unwrap_or_else(|| panic!("without a code: {}", error.message))
                .to_string()
        })
        .collect()
}

/// Follows every spread, as the engine does, and counts fields and aliases one by one.
fn assert_bounded(text: &str) {
    let document = parse_query(text).unwrap_or_else(|error| panic!("it parsed before: {error}"));
    let mut walk = Walk {
        document: &document,
        fields: USUAL.limits.fields,
        aliases: USUAL.limits.aliases,
    };
    for (_, operation) in document.operations.iter() {
        walk.through(&operation.node.selection_set.node);
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// How many may still come.
    fields: usize,
    aliases: usize,
}

impl<'a> Walk<'a> {
    fn through(&mut self, set: &'a SelectionSet) {
        let fragments: &HashMap<Name, _> = &self.document.fragments;
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let left = self
                        .fields
                        .checked_sub(1)
                        .zip(self.aliases.checked_sub(usize::from(field.node.alias.is_some())));
                    (self.fields, self.aliases) = left.unwrap_or_else(|| panic!("larger than it was measured"));
                    self.through(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => self.through(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.through(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}
