//! Documents and bodies of any bytes, up to the point where the engine would call a resolver.

#![allow(clippy::panic, reason = "a fuzzer's target fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Request, Response};
use futures_util::FutureExt;

use super::document::Rules;
use super::{Gateway, http, schema};
use crate::domain::document::DocumentLimits;

/// The limits that a gateway has unless it is told otherwise, and the widest that it can be told.
const USUAL: Rules = rules(20, 300, 30, 2000);
const WIDEST: Rules = rules(60, 100_000, 100_000, 100_000);

const fn rules(depth: usize, fields: usize, few: usize, tokens: usize) -> Rules {
    Rules {
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

static ENGINE: LazyLock<Gateway> = LazyLock::new(|| schema().extension(Halt).limit_recursive_depth(20).finish());

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
    let _within_the_stack = WIDEST.parse(Request::new(&*text)).map(|parsed| WIDEST.check(parsed));
    through_the_engine(Request::new(&*text));
}

/// A body, or the query of an address.
pub(in crate::api) fn body(data: &[u8]) {
    let bodies = [
        http::from_body(data),
        http::from_address(&String::from_utf8_lossy(data)),
    ];
    for request in bodies {
        match request {
            Ok(request) => through_the_engine(request),
            Err(error) => assert!(["BAD_REQUEST", "GRAPHQL_BATCH"].contains(&error.code()), "{error}"),
        }
    }
}

fn through_the_engine(request: Request) {
    let text = request.query.clone();
    let Ok(parsed) = USUAL.parse(request) else { return };
    let Ok(request) = USUAL.check(parsed) else { return };
    assert_bounded(&text);
    let outcome = ENGINE.execute(request).now_or_never();
    let outcome = outcome.map(|outcome| USUAL.tidied(outcome)).unwrap_or_default();
    for error in outcome.errors {
        let extensions = error.extensions.unwrap_or_default();
        assert!(extensions.get("code").is_some(), "without a code: {}", error.message);
    }
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
                    let fragment = fragments.get(&spread.node.fragment_name.node);
                    fragment
                        .into_iter()
                        .for_each(|fragment| self.through(&fragment.node.selection_set.node));
                }
            }
        }
    }
}
