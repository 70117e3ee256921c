//! Clients generate code from these documents, so each change must be deliberate.

use auth_gateway::api;

#[test]
fn the_graphql_schema_is_the_one_in_the_repository() {
    let stored = include_str!("../../../schema.graphql");
    assert!(
        stored == api::schema_text(),
        "the schema has changed; if on purpose: cargo run -- schema > schema.graphql"
    );
}

#[test]
fn the_openapi_document_is_the_one_in_the_repository() {
    let stored = include_str!("../../../openapi.json");
    assert!(
        stored == api::openapi_text(),
        "the REST api has changed; if on purpose: cargo run -- openapi > openapi.json"
    );
}
