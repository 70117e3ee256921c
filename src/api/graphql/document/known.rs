//! Documents that the engine took before: clients send the same few again and again, and to scan, parse and measure one costs as much as
//! to answer it.
//!
//! Owns which documents are remembered, and how much memory that may take. Variables, operation names and answers never come here.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Most memory for all documents, in bytes. Anybody can make up documents that the schema allows; beyond this, those that are used least
/// make room.
const MEMORY: u64 = 4 << 20;
/// What a document of ordinary size takes.
const ORDINARY: u64 = 16 << 10;
/// The most that a token can take in a parsed document: a field without anything, its name, and the same again that lists reserve.
const TOKEN: u64 = 512;

/// The documents that are remembered, by their whole text.
pub(super) struct KnownDocuments(Cache<Box<str>, Arc<KnownDocument>, Memory>);

/// A document within all limits, that fits the schema.
pub(super) struct KnownDocument {
    pub(super) parsed: ExecutableDocument,
    /// Whether the engine's verdict on it holds for ever: variables are the only other thing that it looks at.
    pub(super) is_constant: bool,
    tokens: usize,
}

#[derive(Clone)]
struct Memory;

impl KnownDocument {
    /// `None` for a text with a string: that could be a password, which must not stay in memory. A client that puts such things where they
    /// belong, into variables, has none. Every string has a quotation mark, and every variable a dollar sign (GraphQL specification,
    /// sections 2.9.4 and 2.10).
    pub(super) fn of(text: &str, parsed: &ExecutableDocument, tokens: usize) -> Option<Self> {
        may_be_kept(text).then(|| Self {
            parsed: parsed.clone(),
            is_constant: !text.contains('$'),
            tokens,
        })
    }
}

impl KnownDocuments {
    pub(super) fn none() -> Self {
        let ordinary_ones = usize::try_from(MEMORY / ORDINARY).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(ordinary_ones, MEMORY, Memory))
    }

    pub(super) fn find(&self, text: &str) -> Option<Arc<KnownDocument>> {
        may_be_kept(text).then(|| self.0.get(text))?
    }

    /// For documents alone that the engine took.
    pub(super) fn remember(&self, text: Cow<'_, str>, document: Arc<KnownDocument>) {
        self.0.insert(text.into(), document);
    }
}

fn may_be_kept(text: &str) -> bool {
    !text.contains('"')
}

impl Weighter<Box<str>, Arc<KnownDocument>> for Memory {
    fn weight(&self, text: &Box<str>, document: &Arc<KnownDocument>) -> u64 {
        text.len() as u64 + document.tokens as u64 * TOKEN
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
        assert!(2 * size_of::<Positioned<Selection>>() + name <= usize::try_from(TOKEN).unwrap());
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
        assert!(known.0.weight() <= MEMORY);
        let huge = format!("{{ {} }}", "a ".repeat(10_000));
        known.remember(huge.as_str().into(), document(&huge, 10_002));
        assert!(known.find(&huge).is_none(), "one must not push out all others");
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
