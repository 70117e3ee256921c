//! The scripts and style sheets of the page.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::graphiql::packages::EMBEDDED;

/// `GET /graphiql/{file}`. Any other path below `/graphiql/` is 404.
pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/graphiql/{file}", get(serve_file))
}

/// The file, or 304 if the browser has it already.
///
/// The names do not change between releases, so the browser revalidates each file by its entity
/// tag. After an upgrade, no browser mixes old and new files.
async fn serve_file(path: Result<Path<String>, PathRejection>, request: HeaderMap) -> Response {
    let found = path
        .ok()
        .and_then(|Path(name)| FILES.iter().find(|file| file.name == name));
    let Some(file) = found else {
        return crate::api::http::fallback::route_not_found().await.into_response();
    };
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CACHE_CONTROL, "no-cache"),
        (ETAG, file.etag.as_str()),
    ];
    if file.matches_etag_of(&request) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, file.content).into_response()
    }
}

struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    etag: String,
}

/// All files. A name is looked up in this list alone, so no request path reaches the file system.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let own: [(&str, &str, &[u8]); 2] = [
        ("start.css", "text/css; charset=utf-8", include_bytes!("start.css")),
        ("start.js", "text/javascript; charset=utf-8", include_bytes!("start.js")),
    ];
    EMBEDDED.iter().chain(&own).copied().map(File::new).collect()
});

impl File {
    fn new((name, content_type, content): (&'static str, &'static str, &'static [u8])) -> Self {
        // The files are trusted, so the hash need not resist crafted collisions.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self {
            name,
            content_type,
            content,
            etag: format!("\"{:016x}\"", hasher.finish()),
        }
    }

    /// Compares `If-None-Match` weakly (RFC 9110 section 13.1.2): a proxy that compresses the
    /// response also weakens the tag.
    fn matches_etag_of(&self, request: &HeaderMap) -> bool {
        request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }
}
