//! Defaults of variables that the engine cannot judge.
//!
//! It compares a default with the type of its variable before it asks whether there is such a type, and panics where there is none:
//! for lists, since the bare name it does look up (async-graphql 7.2.1; a fuzzer found it). Without the default it goes on to say in
//! its own words what is wrong.

use std::collections::HashSet;
use std::sync::LazyLock;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, DocumentOperations, ExecutableDocument, OperationDefinition, Type, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};

use crate::api::graphql::schema_text;

/// The scalars that every schema has and none writes down (GraphQL specification, section 3.5).
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

static TYPES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let definitions = parse_schema(schema_text()).map(|document| document.definitions);
    let written = definitions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node.name.node.to_string()),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
    written.chain(BUILT_IN.map(str::to_owned)).collect()
});

/// Takes the default from every variable of a type that the schema does not have.
pub(crate) fn drop_unjudgeable(document: &mut ExecutableDocument) {
    match &mut document.operations {
        DocumentOperations::Single(operation) => drop_in(operation),
        DocumentOperations::Multiple(operations) => operations.values_mut().for_each(drop_in),
    }
}

fn drop_in(operation: &mut Positioned<OperationDefinition>) {
    for variable in &mut operation.node.variable_definitions {
        let variable = &mut variable.node;
        if variable.default_value.is_some() && !TYPES.contains(innermost(&variable.var_type.node).as_str()) {
            variable.default_value = None;
        }
    }
}

/// The name in a type, within however many brackets: not more than the text may nest.
fn innermost(of: &Type) -> &Name {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => innermost(of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_of_the_schema() {
        for name in ["Query", "RegisterInput", "LogoutScope", "UUID", "Int"] {
            assert!(TYPES.contains(name), "{name}");
        }
        assert!(!TYPES.contains("email") && !TYPES.contains("Nothing"));
    }
}
