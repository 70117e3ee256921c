//! Default values of variables that make the engine panic.
//!
//! The engine compares a default value with the type of its variable before it checks that the type
//! exists. For a list of an unknown type it panics (async-graphql 7.2.1, found by fuzzing). Without
//! the default value, it reports the unknown type as an ordinary error.

use std::collections::HashSet;
use std::sync::LazyLock;

use async_graphql::Name;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, DocumentOperations, ExecutableDocument, OperationDefinition};
use async_graphql::parser::types::{Type, TypeSystemDefinition};

use crate::api::graphql::schema::schema_text;

/// The scalars of every schema, which no schema defines (GraphQL specification, section 3.5).
const BUILT_IN_SCALARS: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

static TYPES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let definitions = parse_schema(schema_text()).map(|document| document.definitions);
    let definitions = definitions.unwrap_or_default().into_iter();
    let defined = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node.name.node.to_string()),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    defined.chain(BUILT_IN_SCALARS.map(str::to_owned)).collect()
});

/// Removes the default value of each variable whose type is not in the schema.
pub(crate) fn remove_unverifiable(document: &mut ExecutableDocument) {
    match &mut document.operations {
        DocumentOperations::Single(operation) => remove_in(&mut operation.node),
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                remove_in(&mut operation.node);
            }
        }
    }
}

fn remove_in(operation: &mut OperationDefinition) {
    for variable in &mut operation.variable_definitions {
        let variable = &mut variable.node;
        if !TYPES.contains(innermost_name(&variable.var_type.node).as_str()) {
            variable.default_value = None;
        }
    }
}

/// The name inside all list brackets. The scanner has bounded the depth of this recursion.
fn innermost_name(of: &Type) -> &Name {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => innermost_name(of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_the_types_of_the_schema() {
        for name in ["Query", "RegisterInput", "LogoutScope", "UUID", "Int"] {
            assert!(TYPES.contains(name), "{name}");
        }
        assert!(!TYPES.contains("email") && !TYPES.contains("Nothing"));
    }
}
