//! How large a document is once its fragments are in place.
//!
//! The engine follows every spread of a fragment anew: thirty fragments that each spread the next one twice are a kilobyte to send and
//! a thousand million steps to check. So each fragment is measured here once, and the engine sees nothing that is too large.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use crate::api::graphql::document::Rules;
use crate::domain::document_limits::{DocumentRefusal, Measure};
use crate::domain::{Error, Result};

/// What introspection begins with (GraphQL specification, section 4.2); `__typename` tells nothing that was not asked for.
const INTROSPECTION: [&str; 2] = ["__schema", "__type"];

/// Checks a document before the engine sees it.
///
/// # Errors
/// `Document` for one that is too large or asks for what is off, `BadRequest` for fragments that go round in circles.
pub(crate) fn check(document: &ExecutableDocument, rules: &Rules) -> Result<()> {
    let mut sizes = Sizes {
        document,
        rules,
        known: HashMap::new(),
    };
    let mut whole = Size::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        whole.add(sizes.of(&operation.selection_set.node, 1)?);
        whole.add_directives(&operation.directives);
        for variable in &operation.variable_definitions {
            whole.add_directives(&variable.node.directives);
        }
    }
    rules.limits.check(Measure::RootFields, whole.top)?;
    // The engine validates a fragment that nothing spreads, too.
    for name in document.fragments.keys() {
        whole = whole.or_larger(sizes.of_fragment(name, 1)?);
    }
    for (measure, count) in [
        (Measure::Depth, whole.depth),
        (Measure::Aliases, whole.aliases),
        (Measure::Directives, whole.directives),
        (Measure::Fields, whole.fields),
    ] {
        rules.limits.check(measure, count)?;
    }
    Ok(())
}

/// The size of a part of a document. Sums stop at the largest number: a bomb has more fields than that.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    depth: usize,
    fields: usize,
    /// Fields that stand at the top of the part.
    top: usize,
    aliases: usize,
    directives: usize,
}

impl Size {
    /// Takes in a part that stands beside.
    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.top = self.top.saturating_add(other.top);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }

    fn add_directives(&mut self, directives: &[Positioned<Directive>]) {
        self.directives = self.directives.saturating_add(directives.len());
    }

    fn or_larger(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            fields: self.fields.max(other.fields),
            top: self.top.max(other.top),
            aliases: self.aliases.max(other.aliases),
            directives: self.directives.max(other.directives),
        }
    }
}

struct Sizes<'a> {
    document: &'a ExecutableDocument,
    rules: &'a Rules,
    /// `None` while the fragment is being measured.
    known: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Sizes<'a> {
    /// The size of a selection set that stands at this level: a long chain of fragments ends before it is deep for this function.
    fn of(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size> {
        let mut size = Size::default();
        if set.items.is_empty() {
            return Ok(size);
        }
        self.rules.limits.check(Measure::Depth, level)?;
        for item in &set.items {
            size.add(self.of_selection(&item.node, level)?);
        }
        size.depth += 1;
        Ok(size)
    }

    fn of_selection(&mut self, selection: &'a Selection, level: usize) -> Result<Size> {
        let mut size = match selection {
            Selection::Field(field) => self.of_field(&field.node, level)?,
            Selection::InlineFragment(fragment) => self.of(&fragment.node.selection_set.node, level + 1)?,
            Selection::FragmentSpread(spread) => self.of_fragment(&spread.node.fragment_name.node, level + 1)?,
        };
        size.add_directives(selection.directives());
        Ok(size)
    }

    fn of_field(&mut self, field: &'a Field, level: usize) -> Result<Size> {
        if !self.rules.is_introspection_on && INTROSPECTION.contains(&field.name.node.as_str()) {
            return Err(Error::Document(DocumentRefusal::IntrospectionOff));
        }
        let mut size = self.of(&field.selection_set.node, level + 1)?;
        size.fields = size.fields.saturating_add(1);
        size.top = 1;
        size.aliases = size.aliases.saturating_add(usize::from(field.alias.is_some()));
        Ok(size)
    }

    fn of_fragment(&mut self, name: &'a Name, level: usize) -> Result<Size> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Error::bad_request(format!("The fragment {name} spreads itself."))),
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            // For the engine to report, which it does for each spread: so it counts.
            return Ok(Size {
                fields: 1,
                ..Size::default()
            });
        };
        self.known.insert(name, None);
        let mut size = self.of(&fragment.node.selection_set.node, level)?;
        size.add_directives(&fragment.node.directives);
        self.known.insert(name, Some(size));
        Ok(size)
    }
}
