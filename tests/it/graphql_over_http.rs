//! The GraphQL-over-HTTP specification, as its reference audit checks it.

use crate::harness::{Process, node};

#[test]
fn all_audits_of_graphql_http_pass() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), &[]);
    let run = node(&["audit.mjs", &format!("{}/graphql", gateway.url)]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("61 of 61 audits passed"), "{said}");
}
