//! Both APIs have every operation, and every public name has a description.

use std::collections::BTreeSet;

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition};
use auth_gateway::api;
use serde_json::Value;

/// GraphQL names of operations, and their REST names where these differ.
const OTHER_NAMES: [(&str, &str); 1] = [("refreshToken", "refresh")];

fn types() -> Vec<TypeDefinition> {
    let document = parse_schema(api::schema_text()).unwrap();
    let types = document.definitions.into_iter().filter_map(|definition| {
        if let TypeSystemDefinition::Type(definition) = definition {
            Some(definition.node)
        } else {
            None
        }
    });
    types.collect()
}

fn openapi() -> Value {
    serde_json::from_str(&api::openapi_text()).unwrap()
}

#[test]
fn both_apis_offer_the_same_operations() {
    let openapi = openapi();
    let paths = openapi["paths"].as_object().unwrap().values();
    let rest: BTreeSet<String> = paths
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let mut graphql = BTreeSet::new();
    for definition in types()
        .iter()
        .filter(|definition| ["Query", "Mutation"].contains(&definition.name.node.as_str()))
    {
        let TypeKind::Object(object) = &definition.kind else {
            panic!("{} is no object", definition.name)
        };
        for field in &object.fields {
            let name = field.node.name.node.as_str();
            let other = OTHER_NAMES.iter().find(|(graphql, _)| *graphql == name);
            graphql.insert(other.map_or(name, |(_, rest)| rest).to_owned());
        }
    }
    assert!(rest.contains("login"), "{rest:?}");
    assert_eq!(graphql, rest);
}

#[test]
fn everything_in_the_graphql_schema_is_described() {
    let mut missing = Vec::new();
    let mut check = |name: String, description: &Option<Positioned<String>>| {
        if description
            .as_ref()
            .is_none_or(|description| description.node.is_empty())
        {
            missing.push(name);
        }
    };
    let types = types();
    for definition in &types {
        let name = &definition.name.node;
        check(name.to_string(), &definition.description);
        let mut check_inputs = |owner: &str, inputs: &[Positioned<InputValueDefinition>]| {
            for input in inputs {
                check(format!("{owner}.{}", input.node.name.node), &input.node.description);
            }
        };
        match &definition.kind {
            TypeKind::InputObject(object) => check_inputs(name, &object.fields),
            TypeKind::Object(object) => {
                for field in &object.fields {
                    check_inputs(&format!("{name}.{}", field.node.name.node), &field.node.arguments);
                }
                for field in &object.fields {
                    check(format!("{name}.{}", field.node.name.node), &field.node.description);
                }
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    check(format!("{name}.{}", value.node.value.node), &value.node.description);
                }
            }
            TypeKind::Scalar | TypeKind::Interface(_) | TypeKind::Union(_) => {}
        }
    }
    assert!(types.iter().any(|definition| definition.name.node == "LogoutScope"));
    assert!(missing.is_empty(), "without a description: {missing:?}");
}

#[test]
fn everything_in_the_openapi_document_is_described() {
    let openapi = openapi();
    let schemas = openapi["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name} has no description");
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_described =
                property["description"].is_string() || property["$ref"].is_string() || property["oneOf"].is_array();
            assert!(is_described, "{name}.{field} has no description");
        }
    }
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            assert!(
                operation["summary"].is_string() && operation["description"].is_string(),
                "{path}"
            );
        }
    }
}
