//! Limits of GraphQL documents. A document over a limit is refused before execution, with a code
//! for each limit.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Backend, Process, Socket, TestApp, http, node, raw};

/// A request of a client that expects errors in the HTTP status.
fn strict(request: RequestBuilder) -> RequestBuilder {
    request.header("accept", "application/graphql-response+json")
}

async fn post(app: &TestApp, body: &Value) -> (StatusCode, Value) {
    let request = strict(http().post(app.url("/graphql"))).json(body);
    let (status, _, answer) = raw(request).await;
    (status, answer)
}

/// The error code for a document, or `ok`.
async fn code(app: &TestApp, query: &str) -> String {
    let (status, answer) = post(app, &json!({ "query": query })).await;
    let code = answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or("ok")
        .to_owned();
    let is_executed = answer.get("data").is_some();
    assert_eq!(status, if is_executed { 200 } else { 400 }, "{query:.80} {answer:.200}");
    assert!(answer["errors"].as_array().is_none_or(|errors| errors.len() <= 10));
    if is_executed && code == "UNAUTHENTICATED" {
        "ok".to_owned()
    } else {
        code
    }
}

fn numbered(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| item(n) + " ").collect()
}

/// A document that has exactly `count` of what the measure counts.
fn document_with(measure: &str, count: usize) -> String {
    match measure {
        "GRAPHQL_TOO_DEEP" => format!("{}id{}", "{ me ".repeat(count), "}".repeat(count)),
        "GRAPHQL_TOO_MANY_FIELDS" => format!("{{ me {{ {} }} }}", "id ".repeat(count - 1)),
        "GRAPHQL_TOO_MANY_ALIASES" => format!("{{ me {{ {} }} }}", numbered(count, |n| format!("a{n}: id"))),
        "GRAPHQL_TOO_MANY_ROOT_FIELDS" => format!("{{ {} }}", "__typename ".repeat(count)),
        "GRAPHQL_TOO_MANY_DIRECTIVES" => format!("{{ me {{ {} }} }}", "id @skip(if: false) ".repeat(count)),
        "GRAPHQL_TOO_MANY_TOKENS" => format!("{{ me(x: [{}]) {{ id }} }}", "1 ".repeat(count - 12)),
        other => panic!("{other} is no measure"),
    }
}

/// A document with a fragment that is used twice: its contents count twice.
fn document_with_fragment_used_twice(measure: &str, half: usize) -> String {
    let fragment = |on: &str, fields: String| {
        let root = if on == "User" {
            "{ me { ...F ...F } }"
        } else {
            "{ ...F ... on Query { ...F } }"
        };
        format!("{root} fragment F on {on} {{ {fields} }}")
    };
    match measure {
        "GRAPHQL_TOO_MANY_FIELDS" => fragment("User", "id ".repeat(half)),
        "GRAPHQL_TOO_MANY_ALIASES" => fragment("User", numbered(half, |n| format!("a{n}: id"))),
        "GRAPHQL_TOO_MANY_ROOT_FIELDS" => fragment("Query", "__typename ".repeat(half)),
        "GRAPHQL_TOO_MANY_DIRECTIVES" => fragment("User", "id @skip(if: false) ".repeat(half)),
        other => panic!("{other} is not counted in fragments"),
    }
}

const MEASURES: [(&str, usize); 6] = [
    ("GRAPHQL_TOO_DEEP", 20),
    ("GRAPHQL_TOO_MANY_FIELDS", 300),
    ("GRAPHQL_TOO_MANY_ALIASES", 30),
    ("GRAPHQL_TOO_MANY_ROOT_FIELDS", 30),
    ("GRAPHQL_TOO_MANY_DIRECTIVES", 30),
    ("GRAPHQL_TOO_MANY_TOKENS", 2000),
];

#[tokio::test]
async fn each_limit_accepts_its_maximum_and_refuses_one_more() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    for (measure, most) in MEASURES {
        let at_most = code(&app, &document_with(measure, most)).await;
        // Some of these do not fit the schema. The engine reports that, after the limits.
        let is_nonsense = ["GRAPHQL_TOO_DEEP", "GRAPHQL_TOO_MANY_TOKENS"].contains(&measure);
        assert_eq!(at_most, if is_nonsense { "BAD_REQUEST" } else { "ok" }, "{measure}");
        assert_eq!(code(&app, &document_with(measure, most + 1)).await, measure);
    }
    for (measure, most) in &MEASURES[1..5] {
        let own = usize::from(*measure == "GRAPHQL_TOO_MANY_FIELDS");
        assert_eq!(
            code(&app, &document_with_fragment_used_twice(measure, most / 2 - own)).await,
            "ok",
            "{measure}"
        );
        assert_eq!(
            code(&app, &document_with_fragment_used_twice(measure, most / 2 + 1)).await,
            *measure
        );
    }
}

#[tokio::test]
async fn each_limit_can_be_configured() {
    let options = [
        "--graphql-max-depth=5",
        "--graphql-max-fields=6",
        "--graphql-max-aliases=2",
        "--graphql-max-root-fields=2",
        "--graphql-max-directives=0",
        "--graphql-max-tokens=50",
        "--body-limit=2000",
    ];
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &options).await;
    for (measure, most) in [
        ("GRAPHQL_TOO_DEEP", 5),
        ("GRAPHQL_TOO_MANY_FIELDS", 6),
        ("GRAPHQL_TOO_MANY_ALIASES", 2),
        ("GRAPHQL_TOO_MANY_ROOT_FIELDS", 2),
        ("GRAPHQL_TOO_MANY_DIRECTIVES", 0),
        ("GRAPHQL_TOO_MANY_TOKENS", 50),
    ] {
        assert_eq!(code(&app, &document_with(measure, most + 1)).await, measure);
    }
    assert_eq!(code(&app, "{ me { id } }").await, "ok");
    let request = http()
        .post(app.url("/auth/login"))
        .json(&json!({"email": "x".repeat(2000)}));
    let (status, _, problem) = raw(request).await;
    assert_eq!((status.as_u16(), &problem["code"]), (413, &json!("PAYLOAD_TOO_LARGE")));
}

/// Documents of a kilobyte that would take the engine years to execute.
#[tokio::test]
async fn exponential_documents_are_refused_before_execution() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let twice = |n: u32| format!("fragment F{n} on Query {{ ...F{m} ...F{m} }} ", m = n + 1);
    let doubling = |depth: u32| (0..depth).map(twice).collect::<Vec<_>>().concat();
    let end = |n: u32, fields: &str| format!("fragment F{n} on Query {{ {fields} }}");
    let chain = numbered(150, |n| format!("fragment F{n} on Query {{ ...F{} }}", n + 1));
    let cases = [
        (
            format!("{{ ...F0 }} {} {}", doubling(30), end(30, "__typename")),
            "GRAPHQL_TOO_DEEP",
        ),
        (
            format!("{{ ...F0 }} {} {}", doubling(17), end(17, "me")),
            "GRAPHQL_TOO_MANY_ROOT_FIELDS",
        ),
        (
            format!("{{ __typename }} {} {}", doubling(17), end(17, "me")),
            "GRAPHQL_TOO_MANY_FIELDS",
        ),
        (
            format!("{{ __typename }} {} {}", doubling(5), end(5, "a: me")),
            "GRAPHQL_TOO_MANY_ALIASES",
        ),
        (format!("{{ ...F0 }} {}", doubling(15)), "GRAPHQL_TOO_MANY_FIELDS"),
        (format!("{{ ...F0 }} {chain} {}", end(150, "me")), "GRAPHQL_TOO_DEEP"),
        (
            "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }".to_owned(),
            "BAD_REQUEST",
        ),
        (
            format!("{{ {} }}", numbered(5_000, |n| format!("a{n}: __typename"))),
            "GRAPHQL_TOO_MANY_TOKENS",
        ),
        (
            format!("{{ {} }}", numbered(600, |n| format!("a{n}: __typename"))),
            "GRAPHQL_TOO_MANY_ROOT_FIELDS",
        ),
        (
            format!("{{ __typename {} }}", "@skip(if: false) ".repeat(200)),
            "GRAPHQL_TOO_MANY_DIRECTIVES",
        ),
        (
            format!("query {} {{ __typename }}", "@x ".repeat(31)),
            "GRAPHQL_TOO_MANY_DIRECTIVES",
        ),
        (
            format!("query($a: ID {}) {{ __typename }}", "@x ".repeat(31)),
            "GRAPHQL_TOO_MANY_DIRECTIVES",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(code(&app, &query).await, expected, "{query:.80}");
    }
}

/// The parser recurses for every bracket, so none of these documents may reach it.
#[tokio::test]
async fn a_mebibyte_of_brackets_is_refused_before_parsing() {
    const MEBIBYTE: usize = 1 << 20;
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &["--body-limit=4194304"]).await;
    for query in [
        "{a".repeat(MEBIBYTE / 2),
        "{".repeat(MEBIBYTE),
        "{a(b:".to_owned() + &"[".repeat(MEBIBYTE),
        "{a(b:".to_owned() + &"{c:".repeat(MEBIBYTE / 3),
        "query($a:".to_owned() + &"[".repeat(MEBIBYTE),
        "query($a: T = ".to_owned() + &"[".repeat(MEBIBYTE),
        "{...on T".repeat(MEBIBYTE / 8),
        "{a @b(c:".repeat(MEBIBYTE / 8),
    ] {
        assert_eq!(code(&app, &query).await, "GRAPHQL_TOO_DEEP", "{query:.40}");
    }
    let hidden = format!("{{a(b: [\"\"\"x\" {}", "[".repeat(MEBIBYTE));
    assert_eq!(code(&app, &hidden).await, "BAD_REQUEST");
    let tokens = format!("{{ {} }}", "a ".repeat(MEBIBYTE / 2));
    assert_eq!(code(&app, &tokens).await, "GRAPHQL_TOO_MANY_TOKENS");
    let blank = format!("{{ {} __typename }}", "# {{{{\n ,".repeat(MEBIBYTE / 8));
    assert_eq!(code(&app, &blank).await, "ok");

    let link = app.url(&format!("/graphql?query={}", "%7B".repeat(20_000)));
    let (status, _, answer) = raw(strict(http().get(link))).await;
    assert_eq!(status, 400);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_TOO_DEEP");

    let usual = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let (status, _) = post(&usual, &json!({"query": "{".repeat(MEBIBYTE)})).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn deep_or_long_variables_are_refused_with_a_message() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let query = "mutation($token: String) { logout(refreshToken: $token) }";
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(40_000), "}".repeat(40_000));
    let long = format!("[{}1]", "1,".repeat(100_000));
    for variable in [deep(100_000), deep(126), deep(20), objects, long] {
        let body = format!(r#"{{"query":"{query}","variables":{{"token":{variable}}}}}"#);
        let request = strict(http().post(app.url("/graphql"))).header("content-type", "application/json");
        let (status, _, answer) = raw(request.body(body)).await;
        assert!([200, 400].contains(&status.as_u16()), "{status} {answer:.200}");
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_REQUEST",
            "{answer:.200}"
        );
        assert!(answer.to_string().len() < 1000, "{answer:.200}");
    }
}

/// The engine panics on these documents, as fuzzing found.
#[tokio::test]
async fn a_default_for_a_list_of_an_unknown_type_is_a_bad_request() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let john = app.john().await;
    let mut socket = Socket::bearing(&app.url(""), &john.access_token).await;
    for variable in [
        "$a: [Nothing] = [1]",
        "$a: [Nothing!]! = [1]",
        "$a: [Nothing] = 1",
        "$a: [[Nothing]] = [[1]]",
        "$a: [email] = [\"x\"]",
        "$b: [Int] = [1], $a: [Nothing] = [{}]",
    ] {
        let query = format!("query Q({variable}) {{ me {{ id }} }} query R {{ __typename }}");
        let body = json!({"query": query, "operationName": "Q"});
        let (status, answer) = post(&app, &body).await;
        assert_eq!(status, 400, "{variable} {answer:.300}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
        assert!(answer.to_string().contains("Unknown type"), "{answer}");
        let query = format!("subscription Q({variable}) {{ sessionEnded {{ reason }} }}");
        socket.subscribe("1", &query).await;
        let answer = socket.message().await;
        assert_eq!(
            answer["payload"]["errors"][0]["extensions"]["code"], "BAD_REQUEST",
            "{answer}"
        );
        assert_eq!(socket.message().await, json!({"type": "complete", "id": "1"}));
    }
    let known = "query ($a: [String!] = [\"x\"], $b: [[Int]] = [[1]]) { __typename @skip(if: false) }";
    assert_eq!(code(&app, known).await, "BAD_REQUEST", "the variables are not used");
}

#[tokio::test]
async fn a_batch_is_refused_with_a_message() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    for batch in [
        json!([]),
        json!([{"query": "{ __typename }"}]),
        json!([{"query": "{ __typename }"}, {}]),
    ] {
        let (status, answer) = post(&app, &batch).await;
        assert_eq!(status, 400);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_BATCH", "{answer}");
    }
}

#[tokio::test]
async fn clients_that_accept_plain_json_get_status_200_and_the_code() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let body = json!({"query": document_with("GRAPHQL_TOO_DEEP", 21)});
    let (status, _, answer) = raw(http().post(app.url("/graphql")).json(&body)).await;
    assert_eq!((status.as_u16(), answer.get("data")), (200, None));
    assert_eq!(answer["errors"][0]["extensions"], json!({"code": "GRAPHQL_TOO_DEEP"}));
}

/// Parsed documents are cached: a cached document must not change the answer to the next request
/// with the same text.
#[tokio::test]
async fn a_repeated_document_gets_the_same_answer() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let switch = "query($x: Boolean!) { __typename @skip(if: $x) }";
    let scoped = "mutation($s: LogoutScope!) { logout(scope: $s) }";
    let two = "query A { __typename } query B { b: __typename }";
    let requests = [
        json!({"query": "{ me { id } }"}),
        json!({"query": "{ me { id } }", "operationName": "A"}),
        json!({"query": "{ me { id } }", "variables": {"x": 1}}),
        json!({"query": "{ me { ...F } } fragment F on User { id }"}),
        json!({"query": "{ me { ...F } } fragment F on User { nothing }"}),
        json!({"query": "{ nothing }"}),
        json!({"query": "{ __typename @skip }"}),
        json!({"query": "{ a: me { id } a: __typename }"}),
        json!({"query": "mutation { logout }"}),
        json!({"query": "mutation { logout(scope: NOWHERE) }"}),
        json!({"query": "mutation { refreshToken(refreshToken: \"x\") { user { id } } }"}),
        json!({"query": "subscription { sessionEnded { reason } }"}),
        json!({"query": "{ __schema { queryType { name } } }"}),
        json!({"query": switch, "variables": {"x": true}}),
        json!({"query": switch, "variables": {"x": false}}),
        json!({"query": switch, "variables": {"x": "false"}}),
        json!({"query": switch, "variables": {"x": null}}),
        json!({"query": switch}),
        json!({"query": scoped, "variables": {"s": "ALL"}}),
        json!({"query": scoped, "variables": {"s": "NOWHERE"}}),
        json!({"query": scoped, "variables": {"s": 1}}),
        json!({"query": two, "operationName": "A"}),
        json!({"query": two, "operationName": "B"}),
        json!({"query": two, "operationName": "C"}),
        json!({"query": two}),
    ];
    let mut first = Vec::new();
    for request in &requests {
        first.push(post(&app, request).await);
    }
    let statuses = first.iter().map(|(status, _)| status.as_u16());
    assert!(statuses.clone().any(|status| status == 200) && statuses.clone().any(|status| status == 400));
    for (request, expected) in std::iter::zip(&requests, &first).rev() {
        assert_eq!(&post(&app, request).await, expected, "{request}");
    }
    for (request, expected) in std::iter::zip(&requests, &first) {
        assert_eq!(&post(&app, request).await, expected, "{request}");
    }
    let link = strict(http().get(app.url("/graphql?query=mutation+%7B+logout+%7D")));
    assert_eq!(
        raw(link).await.0,
        405,
        "a GET request does not execute a cached mutation"
    );
}

#[tokio::test]
async fn documents_over_a_websocket_have_the_same_limits() {
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &["--graphql-introspection=off"]).await;
    let john = app.john().await;
    let mut socket = Socket::bearing(&app.url(""), &john.access_token).await;
    let aliases = numbered(31, |n| format!("a{n}: sessionId"));
    for (query, expected) in [
        ("{".repeat(100_000), "GRAPHQL_TOO_DEEP"),
        (
            format!("subscription {{ {} }}", "sessionEnded { reason } ".repeat(31)),
            "GRAPHQL_TOO_MANY_ROOT_FIELDS",
        ),
        (
            format!("subscription {{ sessionEnded {{ {aliases} }} }}"),
            "GRAPHQL_TOO_MANY_ALIASES",
        ),
        (
            "subscription { sessionEnded { ...F } } fragment F on Query { __schema { description } }".to_owned(),
            "GRAPHQL_INTROSPECTION_OFF",
        ),
    ] {
        socket.subscribe("1", &query).await;
        let answer = socket.message().await;
        assert_eq!(
            answer["payload"]["errors"][0]["extensions"]["code"], expected,
            "{answer:.300}"
        );
        assert_eq!(socket.message().await, json!({"type": "complete", "id": "1"}));
    }
}

#[tokio::test]
async fn without_introspection_errors_reveal_nothing_of_the_schema() {
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &["--graphql-introspection=off"]).await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ x: __type(name: \"User\") { name } }",
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "{ ... { __type(name: \"User\") { fields { name } } } }",
        "{ __typename } fragment Unused on Query { __schema { description } }",
        "query A { __typename } query B { __schema { description } }",
    ] {
        let (status, answer) = post(
            &app,
            &json!({"query": query, "operationName": query.starts_with("query").then_some("A")}),
        )
        .await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "GRAPHQL_INTROSPECTION_OFF",
            "{query}"
        );
        assert!(answer.get("data").is_none());
    }
    assert_eq!(code(&app, "{ __typename me { __typename } }").await, "ok");

    // Each document has an error against the schema. The answer must not contain names from the
    // schema.
    for (query, variables) in [
        ("{ em }", json!({})),
        ("{ me }", json!({})),
        ("{ me { emial } }", json!({})),
        ("{ me { email { x } } }", json!({})),
        ("{ me { ... on Session { ip } } }", json!({})),
        ("mutation { login }", json!({})),
        ("mutation { login(input: {}) { user { id } } }", json!({})),
        ("mutation { login(input: {nope: 1}) { user { id } } }", json!({})),
        ("mutation { login(nope: 1) { user { id } } }", json!({})),
        ("mutation { logout(scope: NOPE) }", json!({})),
        ("mutation { endSession(id: {a: 1}) }", json!({})),
        ("mutation($i: Int) { logout(scope: $i) }", json!({"i": 1})),
        (
            "mutation($t: String) { logout(refreshToken: $t) }",
            json!({"t": {"a": 1}}),
        ),
        ("mutation($t: String) { logout(refreshToken: $t) }", json!({"t": [1]})),
        ("query($x: Nope) { __typename }", json!({})),
        ("query($x: Nope = 1) { __typename }", json!({})),
        ("{ me @nope { id } }", json!({})),
        ("{ me @skip { id } }", json!({})),
    ] {
        let (_, answer) = post(&app, &json!({"query": query, "variables": variables})).await;
        let errors = answer["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {answer}"));
        for error in errors {
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("does not fit the schema"), "{query}: {message}");
            assert_eq!(error["extensions"]["code"], "BAD_REQUEST");
        }
    }
}

/// Suggestions help to explore the schema in development.
#[tokio::test]
async fn with_introspection_errors_suggest_names() {
    let app = TestApp::new(Backend::Sqlite, Api::Graphql).await;
    let (_, answer) = post(&app, &json!({"query": "{ me { emaill } }"})).await;
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("User") && message.contains("Did you mean"),
        "{message}"
    );
}

#[test]
fn introspection_tools_load_the_whole_schema() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), &[]);
    let run = node(&["introspection.mjs", &format!("{}/graphql", gateway.url)]);
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{output}{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(output.matches("a schema of").count(), 3, "{output}");
}
