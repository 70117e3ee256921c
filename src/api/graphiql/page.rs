//! The page and its Content-Security-Policy.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::api::graphiql::packages::{EMBEDDED, SCRIPTS, STYLE};

const HTML: &str = include_str!("page.html");

/// The page, for `GET /graphql` by a browser.
pub(crate) fn page() -> Response {
    static PAGE: LazyLock<Page> = LazyLock::new(|| {
        if EMBEDDED.is_empty() {
            Page::with_cdn_packages()
        } else {
            Page::with_embedded_packages()
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE.policy.as_str()),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE.html.as_str()).into_response()
}

struct Page {
    html: String,
    policy: String,
}

impl Page {
    fn with_embedded_packages() -> Self {
        Self {
            html: HTML.to_owned(),
            policy: policy("", ""),
        }
    }

    fn with_cdn_packages() -> Self {
        let html = SCRIPTS.iter().chain([&STYLE]).fold(HTML.to_owned(), |html, file| {
            let embedded = format!("\"graphiql/{}\"", file.name());
            let on_cdn = format!(
                "\"{}\" integrity=\"{}\" crossorigin=\"anonymous\"",
                file.url(),
                file.integrity
            );
            html.replace(&embedded, &on_cdn)
        });
        // The policy allows complete URLs, not the host: this CDN serves every public package, so
        // allowing the host would also allow an attacker's script.
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

/// Everything from the page's own origin. The packages also need inline styles, inline fonts and
/// workers.
fn policy(more_scripts: &str, more_styles: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'{more_scripts}; style-src 'self' 'unsafe-inline'{more_styles}; \
         connect-src 'self'; img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_each_package_file_once() {
        for file in SCRIPTS.iter().chain([&STYLE]) {
            let reference = format!("=\"graphiql/{}\"", file.name());
            assert_eq!(HTML.matches(&reference).count(), 1, "{reference}");
        }
    }

    #[test]
    fn the_cdn_page_loads_package_files_only_from_the_urls_of_its_policy() {
        let page = Page::with_cdn_packages();
        for file in SCRIPTS.iter().chain([&STYLE]) {
            let reference = format!("\"{}\" integrity=\"{}\"", file.url(), file.integrity);
            assert!(page.html.contains(&reference), "{reference}");
            assert!(page.policy.contains(&file.url()));
        }
        let own_files = page.html.matches("\"graphiql/").count();
        assert_eq!(own_files, 2, "the gateway itself serves start.css and start.js");
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
