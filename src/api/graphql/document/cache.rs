//! Parsed documents, by their text: clients send the same few documents again and again.
//!
//! A cached document is within all limits, but may not fit the schema: the engine validates it on
//! every request. Variables, operation names and responses are never cached.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;

use crate::bounded_cache::{BoundedCache, CacheWeight};

/// Most memory for all documents, in bytes. Any client can invent documents; beyond this bound,
/// the least used ones are evicted.
const MAX_BYTES: usize = 4 << 20;
/// Most memory that one token takes in a parsed document, in bytes: a field with its name, and as
/// much again that a list reserves.
const BYTES_PER_TOKEN: usize = 512;

pub(crate) struct DocumentCache(BoundedCache<Box<str>, CachedDocument>);

#[derive(Clone)]
struct CachedDocument {
    document: Arc<ExecutableDocument>,
    bytes: usize,
}

impl DocumentCache {
    pub(crate) fn new() -> Self {
        Self(BoundedCache::with_capacity(MAX_BYTES))
    }

    pub(crate) fn find(&self, text: &str) -> Option<Arc<ExecutableDocument>> {
        is_cacheable(text)
            .then(|| self.0.find(text))?
            .map(|cached| cached.document)
    }

    /// Keeps a document that is within all limits, with its number of tokens.
    pub(crate) fn insert(&self, text: &str, document: Arc<ExecutableDocument>, tokens: usize) {
        if is_cacheable(text) {
            let bytes = text.len() + tokens * BYTES_PER_TOKEN;
            self.0.insert(text.into(), CachedDocument { document, bytes });
        }
    }
}

/// A text with a string is not cached: the string could be a password, which must not stay in
/// memory. Clients that send passwords in variables have no strings in the text. Every string has
/// a quotation mark (GraphQL specification, section 2.9.4).
fn is_cacheable(text: &str) -> bool {
    !text.contains('"')
}

impl CacheWeight for CachedDocument {
    const TYPICAL_BYTES: usize = 16 << 10;

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

    fn insert(cache: &DocumentCache, text: &str, tokens: usize) {
        cache.insert(text, Arc::new(parse_query(text).unwrap()), tokens);
    }

    #[test]
    fn a_token_takes_no_more_memory_than_is_counted() {
        let name = 2 * size_of::<usize>() + 8;
        assert!(2 * size_of::<Positioned<Selection>>() + name <= BYTES_PER_TOKEN);
    }

    #[test]
    fn memory_is_bounded_and_a_used_document_stays() {
        let cache = DocumentCache::new();
        let used = "{ me { id } }";
        insert(&cache, used, 6);
        for number in 0..2_000 {
            assert!(cache.find(used).is_some(), "after {number} others");
            insert(&cache, &format!("{{ a{number}: __typename }}"), 20);
        }
        assert!(cache.0.bytes() <= MAX_BYTES as u64);
        let huge = format!("{{ {} }}", "a ".repeat(10_000));
        insert(&cache, &huge, 10_002);
        assert!(cache.find(&huge).is_none(), "one document must not evict all others");
    }

    #[test]
    fn a_text_with_a_string_is_not_cached() {
        for (text, is_cached) in [
            (r#"{ a(b: "x") }"#, false),
            (r#"{ a(b: """x""") }"#, false),
            ("{ a } # \"x", false),
            ("query($b: B) { a(b: $b) }", true),
            ("{ a }", true),
        ] {
            let cache = DocumentCache::new();
            insert(&cache, text, 10);
            assert_eq!(cache.find(text).is_some(), is_cached, "{text}");
            assert_eq!(cache.0.count(), usize::from(is_cached), "{text}");
        }
    }
}
