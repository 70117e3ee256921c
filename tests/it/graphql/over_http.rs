//! The GraphQL-over-HTTP specification, checked by its reference audits.

use crate::harness::{Api, Backend, Process, TestApp, http, node, raw};

#[test]
fn all_audits_of_graphql_http_pass() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), &[]);
    let run = node(&["audit.mjs", &format!("{}/graphql", gateway.url)]);
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{output}{}", String::from_utf8_lossy(&run.stderr));
    assert!(output.contains("61 of 61 audits passed"), "{output}");
}

/// A request need not name the only operation of a document. A link must not execute a mutation
/// that way.
#[tokio::test]
async fn a_get_request_executes_no_mutation() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let john = app.john().await;
    for query in [
        "mutation{logout}",
        "mutation Out{logout}",
        "query Q{__typename} mutation Out{logout}",
    ] {
        for name in ["", "&operationName=Out"] {
            let link = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("query", query)
                .finish();
            let request = http()
                .get(app.url(&format!("/graphql?{link}{name}")))
                .bearer_auth(&john.access_token);
            let (status, _, answer) = raw(request.header("accept", "application/graphql-response+json")).await;
            assert!(
                [400, 405].contains(&status.as_u16()),
                "{query}{name}: {status} {answer}"
            );
        }
    }
    assert!(app.me(&john.access_token).await.is_ok());
}
