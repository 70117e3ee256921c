//! Random documents built from the schema: most are valid, some are nearly valid.

use std::collections::HashMap;
use std::fmt::Write as _;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use auth_gateway::api::schema_text;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rng::Rng;
use super::{Answer, Target, mutated};
use crate::harness::{AttackReport, Backend};

/// The greatest depth of nested fields.
const DEPTH: usize = 3;
/// The number of fragments that a document may use.
const FRAGMENTS: usize = 3;

struct Schema(HashMap<String, TypeDefinition>);

/// Builds one document.
struct Author<'a> {
    schema: &'a Schema,
    rng: &'a mut Rng,
    /// Texts that have a meaning for the gateway.
    texts: &'a [String],
    /// The number of fragments at the end.
    fragments: usize,
}

impl Schema {
    fn read() -> Self {
        let document = parse_schema(schema_text()).unwrap();
        let types = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(definition) => {
                    Some((definition.node.name.node.to_string(), definition.node))
                }
                TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
            });
        Self(types.collect())
    }

    fn objects(&self) -> Vec<&str> {
        let is_object = |definition: &&TypeDefinition| matches!(definition.kind, TypeKind::Object(_));
        let mut names: Vec<&str> = self
            .0
            .values()
            .filter(is_object)
            .map(|definition| definition.name.node.as_str())
            .collect();
        names.sort_unstable();
        names
    }
}

impl Author<'_> {
    fn document(&mut self) -> String {
        let (kind, root) = *self.rng.pick(&[
            ("query", "Query"),
            ("mutation", "Mutation"),
            ("mutation", "Mutation"),
            ("subscription", "Subscription"),
        ]);
        // Unused variables and fragments are refused, so most documents have none.
        let variables = match self.rng.below(16) {
            0 => "($v: String)",
            1 => "($v: LoginInput!, $w: Boolean! = true)",
            2 => "($v: [Int!]! = [1])",
            3 => *self.rng.pick(&["($v: Nothing)", "($v: [Nothing] = [1])"]),
            _ => "",
        };
        self.fragments = if self.rng.one_in(4) { FRAGMENTS } else { 0 };
        let mut text = format!(
            "{kind} A{variables}{} {}",
            self.directive(),
            self.selection(root, DEPTH)
        );
        let objects: Vec<String> = self.schema.objects().into_iter().map(str::to_owned).collect();
        for number in 0..self.fragments {
            let object = self.rng.pick(&objects).clone();
            let selection = self.selection(&object, 1);
            write!(text, " fragment F{number} on {object} {selection}").unwrap();
        }
        if self.rng.one_in(8) {
            text.push_str(" query B { __typename }");
        }
        text
    }

    fn selection(&mut self, object: &str, depth: usize) -> String {
        let items: Vec<String> = (0..=self.rng.below(3)).map(|_| self.item(object, depth)).collect();
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, object: &str, depth: usize) -> String {
        let directive = self.directive();
        match self.rng.below(14) {
            0 if self.fragments > 0 => format!("...F{}{directive}", self.rng.below(self.fragments + 1)),
            0 | 1 => format!("... on {object}{directive} {{ __typename }}"),
            2 => self
                .rng
                .pick(&[
                    "__typename",
                    "nothing",
                    "id",
                    "__schema { types { name } }",
                    "__type(name: \"User\") { name }",
                ])
                .to_string(),
            _ => self.field(object, depth),
        }
    }

    fn field(&mut self, object: &str, depth: usize) -> String {
        let schema = self.schema;
        let Some(TypeKind::Object(fields)) = schema.0.get(object).map(|definition| &definition.kind) else {
            return "__typename".to_owned();
        };
        let field = &self.rng.pick(&fields.fields).node;
        let alias = if self.rng.one_in(5) { "a: " } else { "" };
        let arguments = self.members(field.arguments.iter().map(|argument| &argument.node));
        let arguments = if arguments.is_empty() {
            arguments
        } else {
            format!("({arguments})")
        };
        let inner = match &field.ty.node.base {
            BaseType::Named(name) if depth > 0 => Some(name.as_str()),
            BaseType::List(of) => match &of.base {
                BaseType::Named(name) => Some(name.as_str()),
                BaseType::List(_) => None,
            },
            BaseType::Named(_) => None,
        };
        let is_object = inner.is_some_and(|name| schema.objects().contains(&name));
        let selection = inner
            .filter(|_| is_object)
            .map_or(String::new(), |name| self.selection(name, depth.saturating_sub(1)));
        format!("{alias}{}{arguments}{} {selection}", field.name.node, self.directive())
    }

    /// Arguments, or the fields of an input object. Some omit a required one or have an unknown
    /// one.
    fn members<'d>(&mut self, definitions: impl Iterator<Item = &'d InputValueDefinition>) -> String {
        let mut members = Vec::new();
        for definition in definitions {
            let is_needed = !definition.ty.node.nullable && definition.default_value.is_none();
            if !self.rng.one_in(if is_needed { 15 } else { 2 }) {
                members.push(format!("{}: {}", definition.name.node, self.value(&definition.ty.node)));
            }
        }
        if self.rng.one_in(30) {
            members.push(format!("nothing: {}", self.wrong()));
        }
        members.join(", ")
    }

    fn value(&mut self, wanted: &Type) -> String {
        if self.rng.one_in(12) {
            return self.wrong();
        }
        let name = match &wanted.base {
            BaseType::List(of) => return format!("[{}]", self.value(of)),
            BaseType::Named(name) => name.as_str(),
        };
        let schema = self.schema;
        match schema.0.get(name).map(|definition| &definition.kind) {
            Some(TypeKind::InputObject(object)) => {
                format!("{{{}}}", self.members(object.fields.iter().map(|field| &field.node)))
            }
            Some(TypeKind::Enum(values)) => self.rng.pick(&values.values).node.value.node.to_string(),
            _ => match name {
                "Int" => self.rng.below(1000).to_string(),
                "Boolean" => "true".to_owned(),
                _ => self.text(),
            },
        }
    }

    fn text(&mut self) -> String {
        Value::from(self.rng.pick(self.texts).as_str()).to_string()
    }

    fn wrong(&mut self) -> String {
        let values = [
            "null",
            "1",
            "-1e99",
            "99999999999999999999",
            "true",
            "NOTHING",
            "$v",
            "$w",
            "[]",
            "[[1]]",
            "{a: {}}",
            "\"\"\"block\"\"\"",
            "\"\\uD800\"",
        ];
        self.rng.pick(&values).to_string()
    }

    fn directive(&mut self) -> &'static str {
        if !self.rng.one_in(10) {
            return "";
        }
        let directives = [
            " @skip(if: false)",
            " @include(if: true)",
            " @include(if: $w)",
            " @skip",
            " @nothing(a: 1)",
            " @deprecated",
        ];
        self.rng.pick::<&str>(&directives)
    }
}

fn texts(target: &Target) -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        "x",
        "johnsecret",
        "janesecret",
        "new@private.example",
        "Password@123",
        "' OR 1=1 --",
        "${jndi:x}",
        "\u{0}",
        "\u{202e}é😀",
    ]
    .map(str::to_owned)
    .into();
    let jane = &target.jane;
    texts.extend(
        [
            &jane.refresh_token,
            &jane.access_token,
            &jane.user.uuid,
            &target.password,
        ]
        .map(Clone::clone),
    );
    texts.extend([Uuid::new_v4().to_string(), "x".repeat(5000)]);
    texts
}

async fn documents(backend: Backend) {
    let mut target = Target::start(backend, "EdDSA").await;
    let (schema, mut report, mut rng) = (Schema::read(), AttackReport::new("live-documents"), target.rng());
    let mut executed = 0;
    for case in 0..Target::cases() {
        if case % 20 == 0 {
            target.sign_jane_in().await;
        }
        let texts = texts(&target);
        let mut author = Author {
            schema: &schema,
            rng: &mut rng,
            texts: &texts,
            fragments: 0,
        };
        let mut document = author.document();
        if rng.one_in(5) {
            document = String::from_utf8_lossy(&mutated(document.as_bytes(), &mut rng)).into_owned();
        }
        let name = rng
            .pick(&[json!("A"), json!("A"), json!("A"), json!(null), json!("B")])
            .clone();
        let variables = [
            json!({}),
            json!({"v": "x", "w": true}),
            json!({"v": {"password": "x"}, "w": 1}),
            json!({"v": [1, null]}),
        ];
        let variables = rng.pick(&variables);
        let body = json!({"query": document, "operationName": name, "variables": variables});
        let media = *rng.pick(&["application/graphql-response+json", "application/json"]);
        let mut request = target
            .http
            .post(target.url("/graphql"))
            .header("accept", media)
            .json(&body);
        let bearer = [None, Some(target.jane.access_token.as_str()), Some("x.y.z")];
        request = rng
            .pick(&bearer)
            .iter()
            .fold(request, reqwest::RequestBuilder::bearer_auth);
        let answer = target.send(&mut report, request, &body.to_string()).await;
        executed += usize::from(is_executed(&answer));
        if !is_graphql(&answer) {
            report.accepted(format!(
                "an answer of an unknown form: {body} -> {} {}",
                answer.status, answer.body
            ));
        }
    }
    assert!(
        executed * 20 > Target::cases(),
        "only {executed} documents reached the resolvers"
    );
    target.finish(report).await;
}

/// Whether a resolver was called: there is data, or an error has a path.
fn is_executed(answer: &Answer) -> bool {
    let body = answer.json().unwrap_or_default();
    body["data"].is_object() || body["errors"][0]["path"].is_array()
}

/// Whether the answer has data, errors with codes, or both.
fn is_graphql(answer: &Answer) -> bool {
    let Some(body) = answer.json() else { return false };
    let errors = body["errors"].as_array();
    let has_codes = errors.is_none_or(|errors| errors.iter().all(|error| error["extensions"]["code"].is_string()));
    has_codes && (body.get("data").is_some() || errors.is_some_and(|errors| !errors.is_empty()))
}

#[tokio::test]
async fn random_documents_get_well_formed_answers_with_sqlite() {
    documents(Backend::Sqlite).await;
}

#[tokio::test]
async fn random_documents_get_well_formed_answers_with_postgres_and_redis() {
    documents(Backend::PostgresRedis).await;
}
