//! The layer table of ARCHITECTURE.md, checked against the sources, and circles of files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::module_graph::ModuleGraph;
use super::source::{SourceTree, production_code};

/// A file or folder below `src`, and the crates and modules that it must not name.
const LAYERS: [(&str, &str); 15] = [
    (
        "domain",
        "tokio axum async_graphql sea_orm redis crate::config crate::security crate::store crate::service crate::api \
         crate::server crate::app",
    ),
    (
        "config",
        "tokio axum async_graphql sea_orm redis crate::security crate::store crate::service crate::api crate::server \
         crate::app",
    ),
    (
        "security",
        "axum async_graphql sea_orm redis crate::store crate::service crate::api crate::server crate::app",
    ),
    (
        "store",
        "axum async_graphql crate::security crate::service crate::api crate::server crate::app",
    ),
    (
        "service",
        "axum http async_graphql sea_orm redis crate::api crate::server crate::app crate::config",
    ),
    (
        "api",
        "sea_orm redis crate::store crate::security crate::config crate::server crate::app",
    ),
    ("api/graphql", "crate::api::rest"),
    ("api/rest", "crate::api::graphql async_graphql"),
    (
        "server",
        "async_graphql sea_orm redis crate::config crate::security crate::store crate::service crate::api crate::app",
    ),
    ("app", "sea_orm redis async_graphql"),
    ("main.rs", "sea_orm redis async_graphql axum"),
    (
        "telemetry.rs",
        "sea_orm redis axum crate::store crate::service crate::api",
    ),
    ("log_span.rs", "axum sea_orm redis async_graphql crate"),
    ("bounded_cache.rs", "tokio axum sea_orm redis async_graphql crate"),
    ("threads.rs", "axum sea_orm redis async_graphql crate"),
];

/// Other crates of the workspace, and what they must not name.
const CRATES: [(&str, &str); 2] = [
    ("migration/src", "auth_gateway"),
    ("quick-argon2/src", "auth_gateway tokio"),
];

#[test]
fn no_layer_names_a_module_that_is_forbidden_to_it() {
    let src = ModuleGraph::new(&SourceTree::read("src"));
    let mut forbidden: Vec<String> = LAYERS
        .iter()
        .flat_map(|(layer, names)| violations(&src, layer, names))
        .collect();
    for (folder, names) in CRATES {
        forbidden.extend(violations(&ModuleGraph::new(&SourceTree::read(folder)), "", names));
    }
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn every_module_is_in_the_layer_table() {
    let src = SourceTree::read("src");
    let layers: BTreeSet<&str> = LAYERS.iter().map(|(layer, _)| *layer).collect();
    let modules = src.0.keys().map(|file| file.split('/').next().unwrap());
    let exempt = ["lib.rs", "fuzzing.rs"];
    let missing: BTreeSet<&str> = modules
        .filter(|name| !layers.contains(name) && !exempt.contains(name))
        .collect();
    assert!(missing.is_empty(), "add a row to LAYERS for {missing:?}");
    for (layer, _) in LAYERS {
        assert!(
            src.0.keys().any(|file| is_in(file, layer)),
            "src/{layer} does not exist"
        );
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in ["src", "migration/src", "quick-argon2/src"] {
        let circles = ModuleGraph::new(&SourceTree::read(folder)).circles();
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}

#[test]
fn forbidden_names_are_found_however_they_are_written() {
    let (_, api) = LAYERS.iter().find(|(layer, _)| *layer == "api").unwrap();
    for code in [
        "use crate::store::Database;",
        "use crate::{domain::Email, store::{sql::Database, Limits}};",
        "fn f() { let x = crate::store::Database::new(); }",
        "use super::super::super::store::Database;",
        "use crate::store;",
        "use crate::store as s;",
        "use ::redis::Client;",
        "use redis as r;",
        "#[cfg(test)] mod tests { fn f() {} } use crate::store::Database;",
        "mod inner { use super::super::super::super::store::Database; }",
        "pub use crate::security::KeyRing;",
    ] {
        let found = violations(&graph_with(code), "api", api);
        assert!(!found.is_empty(), "{code}");
        assert!(
            found.iter().all(|text| text.starts_with("api/rest/account.rs names ")),
            "{found:?}"
        );
    }
}

#[test]
fn other_names_are_allowed() {
    let (_, api) = LAYERS.iter().find(|(layer, _)| *layer == "api").unwrap();
    for code in [
        "use crate::service::store::Redis; // use crate::store::Database;",
        "/* crate::store::X */ const TEXT: &str = \"crate::store::X\";",
        "#[cfg(test)] mod tests { use crate::store::Database; }",
        "use crate::api::redis::X; let redis = 1;",
        "use crate::stores::X;",
    ] {
        let found = violations(&graph_with(code), "api", api);
        assert!(found.is_empty(), "{code}: {found:?}");
    }
}

fn graph_with(code: &str) -> ModuleGraph {
    ModuleGraph::new(&SourceTree::of(&[
        ("api/rest/account.rs", code),
        ("store/mod.rs", "pub struct Database;"),
        ("service/mod.rs", "use crate::store::Database;"),
    ]))
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
fn unsafe_code_is_in_two_files_of_quick_argon2_alone() {
    let mut found = Vec::new();
    for folder in ["src", "migration/src", "quick-argon2/src"] {
        for (file, text) in &SourceTree::read(folder).0 {
            let count = production_code(text).matches("unsafe {").count();
            if count > 0 {
                found.push((format!("{folder}/{file}"), count));
            }
        }
    }
    let expected = ["quick-argon2/src/lib.rs", "quick-argon2/src/pages.rs"];
    assert_eq!(found, expected.map(|file| (file.to_owned(), 1)));
}

/// What the files of a layer name although they must not.
fn violations(graph: &ModuleGraph, layer: &str, names: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in graph.files().filter(|file| is_in(file, layer)) {
        for path in graph.paths(file) {
            if let Some(name) = names.split_whitespace().find(|name| is_path_below(&path, name)) {
                found.push(format!("{file} names {path}, and {layer} must not use {name}"));
            }
        }
    }
    found
}

fn is_in(file: &str, layer: &str) -> bool {
    layer.is_empty() || file == layer || file.strip_prefix(layer).is_some_and(|rest| rest.starts_with('/'))
}

fn is_path_below(path: &str, name: &str) -> bool {
    path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
}
