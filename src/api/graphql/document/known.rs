//! Documents that the engine took before: clients send the same few again and again, and to scan, parse and measure one costs as much as
//! to answer it.
//!
//! Owns which documents are remembered, and how much memory that may take. Variables, operation names and answers never come here.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};

use crate::bounded_cache::{BoundedCache, CacheWeight};

/// Most memory for all documents, in bytes. Anybody can make up documents that the schema allows; beyond this, those that are used least
/// make room.
const MOST: usize = 4 << 20;
/// The most that a token can take in a parsed document: a field without anything, its name, and the same again that lists reserve.
const TOKEN: usize = 512;

/// The documents that are remembered, by their whole text.
pub(crate) struct KnownDocuments(BoundedCache<Box<str>, Arc<KnownDocument>>);

/// Names a document for as long as the process lives. One that is forgotten and comes again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DocumentId(u64);

/// A document within all limits, that fits the schema.
pub(crate) struct KnownDocument {
    pub(crate) parsed: ExecutableDocument,
    pub(crate) id: DocumentId,
    /// Whether all that it asks for is `me`, whatever the variables: its answer follows from the caller's account alone.
    pub(crate) is_about_me: bool,
    /// Whether the engine's verification on it holds for ever: variables are the only other thing that it looks at.
    pub(crate) is_constant: bool,
    bytes: usize,
}

impl KnownDocument {
    /// `None` for a text with a string: that could be a password, which must not stay in memory. A client that puts such things where they
    /// belong, into variables, has none. Every string has a quotation mark, and every variable a dollar sign (GraphQL specification,
    /// sections 2.9.4 and 2.10).
    pub(crate) fn of(text: &str, parsed: &ExecutableDocument, tokens: usize) -> Option<Self> {
        may_be_kept(text).then(|| {
            let is_constant = !text.contains('$');
            Self {
                parsed: parsed.clone(),
                id: DocumentId::fresh(),
                is_about_me: is_constant && asks_for_me_alone(parsed),
                is_constant,
                bytes: text.len() + tokens * TOKEN,
            }
        })
    }
}

impl DocumentId {
    fn fresh() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(crate) fn two() -> [Self; 2] {
        [Self::fresh(), Self::fresh()]
    }
}

/// Whether its one operation is a query with one field at its top, which is `me`: asked twice, the account could change in between.
fn asks_for_me_alone(document: &ExecutableDocument) -> bool {
    let mut operations = document.operations.iter();
    let (Some((_, operation)), None) = (operations.next(), operations.next()) else {
        return false;
    };
    let selections = operation.node.selection_set.node.items.as_slice();
    let is_me = |selection: &Selection| matches!(selection, Selection::Field(field) if field.node.name.node == "me" && field.node.directives.is_empty());
    operation.node.ty == OperationType::Query && matches!(selections, [one] if is_me(&one.node))
}

impl KnownDocuments {
    pub(crate) fn none() -> Self {
        Self(BoundedCache::of(MOST))
    }

    pub(crate) fn find(&self, text: &str) -> Option<Arc<KnownDocument>> {
        may_be_kept(text).then(|| self.0.find(text))?
    }

    /// For documents alone that the engine took.
    pub(crate) fn remember(&self, text: Cow<'_, str>, document: Arc<KnownDocument>) {
        self.0.remember(text.into(), document);
    }
}

fn may_be_kept(text: &str) -> bool {
    !text.contains('"')
}

impl CacheWeight for KnownDocument {
    const ORDINARY: usize = 16 << 10;

    fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Positioned;
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::Selection;

    use super::*;

    fn document(text: &str, tokens: usize) -> Arc<KnownDocument> {
        Arc::new(KnownDocument::of(text, &parse_query(text).unwrap(), tokens).unwrap())
    }

    #[test]
    fn a_token_takes_no_more_than_is_counted() {
        let name = 2 * size_of::<usize>() + 8;
        assert!(2 * size_of::<Positioned<Selection>>() + name <= TOKEN);
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let known = KnownDocuments::none();
        let used = "{ me { id } }";
        known.remember(used.into(), document(used, 6));
        for number in 0..2_000 {
            assert!(known.find(used).is_some(), "after {number} others");
            let text = format!("{{ a{number}: __typename }}");
            known.remember(text.as_str().into(), document(&text, 20));
        }
        assert!(known.0.bytes() <= MOST as u64);
        let huge = format!("{{ {} }}", "a ".repeat(10_000));
        known.remember(huge.as_str().into(), document(&huge, 10_002));
        assert!(known.find(&huge).is_none(), "one must not push out all others");
    }

    #[test]
    fn only_a_query_for_me_and_nothing_else_is_about_me() {
        for (text, expected) in [
            ("{ me { id } }", true),
            ("query Me { me { id email } }", true),
            ("{ a: me { ...F } } fragment F on User { email }", true),
            ("{ a: me { id } b: me { id } }", false),
            ("{ me @skip(if: true) { id } }", false),
            ("{ me { id } sessions { id } }", false),
            ("{ me: sessions { id } }", false),
            ("{ ...F } fragment F on Query { me { id } }", false),
            ("{ me { id } ... { me { id } } }", false),
            ("query A { me { id } } query B { me { id } }", false),
            ("mutation { me { id } }", false),
            ("subscription { me { id } }", false),
            ("query($a: Boolean!) { me { id @skip(if: $a) } }", false),
            ("{ __typename me { id } }", false),
        ] {
            let document = KnownDocument::of(text, &parse_query(text).unwrap(), 10).unwrap();
            assert_eq!(document.is_about_me, expected, "{text}");
        }
    }

    #[test]
    fn a_text_with_a_string_is_not_kept() {
        for (text, is_kept) in [
            (r#"{ a(b: "x") }"#, false),
            (r#"{ a(b: """x""") }"#, false),
            ("{ a } # \"x", false),
            ("query($b: B) { a(b: $b) }", true),
            ("{ a }", true),
        ] {
            let document = KnownDocument::of(text, &parse_query(text).unwrap(), 10);
            assert_eq!(document.is_some(), is_kept, "{text}");
            assert_eq!(document.is_some_and(|document| document.is_constant), text == "{ a }");
        }
    }
}
