//! The layer table of ARCHITECTURE.md, read off the sources: an arrow that it forbids fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LAYERS: [(&str, &[&str]); 17] = [
    // Files below this path, and what they must not name.
    (
        "domain",
        &[
            "tokio",
            "axum",
            "async_graphql",
            "sea_orm",
            "redis",
            "crate::config",
            "crate::security",
            "crate::store",
            "crate::service",
            "crate::api",
            "crate::server",
            "crate::app",
        ],
    ),
    (
        "config",
        &[
            "tokio",
            "axum",
            "async_graphql",
            "sea_orm",
            "redis",
            "crate::security",
            "crate::store",
            "crate::service",
            "crate::api",
            "crate::server",
            "crate::app",
        ],
    ),
    (
        "security",
        &[
            "axum",
            "async_graphql",
            "sea_orm",
            "redis",
            "crate::store",
            "crate::service",
            "crate::api",
            "crate::server",
            "crate::app",
        ],
    ),
    (
        "store",
        &[
            "axum",
            "async_graphql",
            "crate::security",
            "crate::service",
            "crate::api",
            "crate::server",
            "crate::app",
        ],
    ),
    (
        "service",
        &[
            "axum",
            "http",
            "async_graphql",
            "sea_orm",
            "redis",
            "crate::api",
            "crate::server",
            "crate::app",
            "crate::config",
        ],
    ),
    (
        "api",
        &[
            "sea_orm",
            "redis",
            "crate::store",
            "crate::security",
            "crate::config",
            "crate::server",
            "crate::app",
        ],
    ),
    ("api/graphql", &["crate::api::rest", "super::super::rest"]),
    (
        "api/rest",
        &["crate::api::graphql", "super::super::graphql", "async_graphql"],
    ),
    (
        "server",
        &[
            "async_graphql",
            "sea_orm",
            "redis",
            "crate::config",
            "crate::security",
            "crate::store",
            "crate::service",
            "crate::api",
            "crate::app",
        ],
    ),
    ("app.rs", &["sea_orm", "redis", "async_graphql"]),
    ("main.rs", &["sea_orm", "redis", "async_graphql", "axum"]),
    (
        "telemetry.rs",
        &[
            "sea_orm",
            "redis",
            "axum",
            "crate::store",
            "crate::service",
            "crate::api",
        ],
    ),
    ("log_span.rs", &["axum", "sea_orm", "redis", "async_graphql", "crate"]),
    (
        "bounded_cache.rs",
        &["tokio", "axum", "sea_orm", "redis", "async_graphql", "crate"],
    ),
    ("threads.rs", &["axum", "sea_orm", "redis", "async_graphql", "crate"]),
    ("../migration/src", &["auth_gateway"]),
    ("../quick-argon2/src", &["auth_gateway", "tokio"]),
];

#[test]
fn no_arrow_points_the_wrong_way() {
    let mut forbidden = Vec::new();
    for (layer, names) in LAYERS {
        let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer));
        assert!(!files.is_empty(), "there is nothing at src/{layer}");
        for file in files {
            let code = code(&file);
            for name in names.iter().filter(|name| mentions(&code, name)) {
                forbidden.push(format!("{} names {name}", file.display()));
            }
        }
    }
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn the_test_above_can_see() {
    assert!(mentions("use axum::Router;", "axum"));
    assert!(mentions("let x = crate::store::Database;", "crate::store"));
    assert!(!mentions("use crate::store::Redis;\nlet redis = 1;", "redis"));
    assert!(mentions("use ::redis::Client;", "redis"));
    assert!(!mentions("use crate::domain::http_status::X;", "http"));
}

/// The files of one API's transport, which have no counterpart in the other API.
const TRANSPORT_FILES: [&str; 12] = [
    "body.rs",
    "context.rs",
    "date_time.rs",
    "document",
    "error.rs",
    "http.rs",
    "openapi.rs",
    "problems.rs",
    "routes.rs",
    "schema.rs",
    "state.rs",
    "websocket.rs",
];

#[test]
fn both_apis_have_the_same_subject_files() {
    let subjects = |api: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api").join(api);
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !TRANSPORT_FILES.contains(&name.as_str()))
            .collect()
    };
    let subjects_of_graphql = subjects("graphql");
    assert!(subjects_of_graphql.contains("account.rs"), "{subjects_of_graphql:?}");
    assert_eq!(subjects_of_graphql, subjects("rest"));
}

#[test]
fn two_calls_alone_are_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "migration/src", "quick-argon2/src"].map(|folder| sources(&root.join(folder)));
    let of = |file: &PathBuf| code(file).matches("unsafe {").count();
    let found: Vec<_> = files
        .iter()
        .flatten()
        .map(|file| (file.clone(), of(file)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let named = ["quick-argon2/src/lib.rs", "quick-argon2/src/pages.rs"];
    assert_eq!(found, named.map(|file| (root.join(file), 1)));
}

/// Whether the code uses the crate or module: its path followed by `::`, and nothing before it that makes it part of another.
fn mentions(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = &code[..at];
        let is_root = before
            .strip_suffix("::")
            .is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        is_root || !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// The code without comments and without its unit tests, which may look further.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten();
    let found = entries.flat_map(|entry| sources(&entry.unwrap().path()));
    found
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
