//! `GraphiQL`, the page with which a browser explores the GraphQL door.
//!
//! Owns the page, its files and its Content-Security-Policy. Knows nothing of the schema or of accounts: the page is
//! a client like any other. Whether it is served at all is the caller's decision.
//!
//! `build.rs` embeds the packages that the page consists of, and then it works without a network. Where it could not,
//! the page takes the same files from a public CDN, each held to its digest.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

include!(concat!(env!("OUT_DIR"), "/graphiql_assets.rs"));

const HTML: &str = include_str!("page.html");
const CDN: &str = "https://cdn.jsdelivr.net/npm/";

/// A package file that the page loads: its path on the CDN, with the version that the lock file names, and its digest
/// for Subresource Integrity.
struct PackageFile {
    path: &'static str,
    integrity: &'static str,
}

const STYLE: PackageFile = PackageFile {
    path: "graphiql@4.0.1/graphiql.min.css",
    integrity: "sha384-iY6i7GPnDiQXB5hGofQtjXSGkPCADwDBLE8qS5UZRnWvxrxbR7NFEJer+eA43dBd",
};

const SCRIPTS: [PackageFile; 3] = [
    PackageFile {
        path: "react@18.3.1/umd/react.production.min.js",
        integrity: "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    },
    PackageFile {
        path: "react-dom@18.3.1/umd/react-dom.production.min.js",
        integrity: "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    },
    PackageFile {
        path: "graphiql@4.0.1/graphiql.min.js",
        integrity: "sha384-uYyXfkJVrUpNj7jBTNkBW/MsVw1pcbcQXs5/2rubsgTFnZMt3Wznj0MlgOIHiP0S",
    },
];

impl PackageFile {
    fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    fn url(&self) -> String {
        format!("{CDN}{}", self.path)
    }
}

/// The page, for `GET /graphql`.
///
/// The caller has already told a browser, which wants HTML, from an API client.
pub(crate) fn page() -> Response {
    static PAGE: LazyLock<Page> = LazyLock::new(|| {
        if EMBEDDED.is_empty() {
            Page::from_cdn()
        } else {
            Page::from_here()
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE.policy.as_str()),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE.html.as_str()).into_response()
}

/// `GET /graphiql/{file}`: the scripts and style sheets of the page. Anything else below `/graphiql/` is 404.
pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/graphiql/{file}", get(serve_file))
}

/// The file, or 304 to a browser that has it already.
///
/// The names stay the same from one release to the next, so each use is checked against the tag: an upgrade never
/// leaves a browser with a mixture of old and new files, and an unchanged file costs no transfer.
async fn serve_file(path: Result<Path<String>, PathRejection>, request: HeaderMap) -> Response {
    let found = path
        .ok()
        .and_then(|Path(name)| FILES.iter().find(|file| file.name == name));
    let Some(file) = found else {
        return crate::api::rest::not_found().await.into_response();
    };
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CACHE_CONTROL, "no-cache"),
        (ETAG, file.tag.as_str()),
    ];
    if file.is_held_by(&request) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, file.content).into_response()
    }
}

struct Page {
    html: String,
    policy: String,
}

impl Page {
    fn from_here() -> Self {
        Self {
            html: HTML.to_owned(),
            policy: policy("", ""),
        }
    }

    fn from_cdn() -> Self {
        let html = SCRIPTS.iter().chain([&STYLE]).fold(HTML.to_owned(), |html, file| {
            let here = format!("\"graphiql/{}\"", file.name());
            let there = format!(
                "\"{}\" integrity=\"{}\" crossorigin=\"anonymous\"",
                file.url(),
                file.integrity
            );
            html.replace(&here, &there)
        });
        // Whole addresses, not the host: on a CDN that carries every package there is, allowing the host would allow
        // an attacker's script as well.
        let scripts = SCRIPTS
            .iter()
            .fold(String::new(), |list, file| format!("{list} {}", file.url()));
        let styles = format!(" {}", STYLE.url());
        Self {
            html,
            policy: policy(&scripts, &styles),
        }
    }
}

/// Everything from the page's own origin, except what its packages need: inline styles and fonts, and workers.
fn policy(more_scripts: &str, more_styles: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'{more_scripts}; style-src 'self' 'unsafe-inline'{more_styles}; \
         connect-src 'self'; img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    tag: String,
}

/// Everything that there is to serve: a name is looked up here and nowhere else, so no path reaches the disk.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let own: [(&str, &str, &[u8]); 2] = [
        ("start.css", "text/css; charset=utf-8", include_bytes!("start.css")),
        ("start.js", "text/javascript; charset=utf-8", include_bytes!("start.js")),
    ];
    EMBEDDED.iter().chain(&own).copied().map(File::new).collect()
});

impl File {
    fn new((name, content_type, content): (&'static str, &'static str, &'static [u8])) -> Self {
        // The files are ours and none is crafted to collide, so a fast digest will do.
        let mut digest = DefaultHasher::new();
        content.hash(&mut digest);
        Self {
            name,
            content_type,
            content,
            tag: format!("\"{:016x}\"", digest.finish()),
        }
    }

    /// RFC 9110, section 13.1.2. The comparison is the weak one: a proxy that compresses also weakens the tag.
    fn is_held_by(&self, request: &HeaderMap) -> bool {
        request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == self.tag)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA384, digest};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn package_files() -> impl Iterator<Item = &'static PackageFile> {
        const ALL: [&PackageFile; 4] = [&STYLE, &SCRIPTS[0], &SCRIPTS[1], &SCRIPTS[2]];
        ALL.into_iter()
    }

    #[test]
    fn each_package_file_is_named_by_the_page_in_the_locked_version() {
        let package = include_str!("package.json");
        for file in package_files() {
            let reference = format!("=\"graphiql/{}\"", file.name());
            assert_eq!(HTML.matches(&reference).count(), 1, "{reference}");

            let (name, version) = file
                .path
                .split_once('/')
                .and_then(|(package, _)| package.split_once('@'))
                .unwrap_or_default();
            assert!(
                package.contains(&format!("\"{name}\": \"{version}\"")),
                "{name}@{version}"
            );
        }
    }

    #[test]
    fn each_digest_is_that_of_the_embedded_file() {
        for (name, _, content) in EMBEDDED {
            let sum = digest(&SHA384, content);
            let integrity = format!("sha384-{}", STANDARD.encode(sum));
            let file = package_files().find(|file| file.name() == *name);
            assert_eq!(file.map(|file| file.integrity), Some(integrity.as_str()), "{name}");
        }
    }

    #[test]
    fn the_cdn_page_takes_every_package_file_from_exactly_the_addresses_that_its_policy_allows() {
        let page = Page::from_cdn();
        for file in package_files() {
            assert!(
                page.html
                    .contains(&format!("\"{}\" integrity=\"{}\"", file.url(), file.integrity))
            );
            assert!(page.policy.contains(&file.url()));
        }
        assert_eq!(
            page.html.matches("\"graphiql/").count(),
            2,
            "start.css and start.js stay here"
        );
    }

    #[test]
    fn the_page_has_no_inline_script_or_handler() {
        assert_eq!(HTML.matches("<script").count(), HTML.matches("></script>").count());
        assert!(
            !HTML
                .split_whitespace()
                .any(|word| word.starts_with("on") && word.contains('='))
        );
    }
}
