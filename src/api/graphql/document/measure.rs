//! The size of a document with all fragments expanded.
//!
//! The engine expands a fragment again for each spread. Thirty fragments that each spread the next
//! one twice are a kilobyte of text, and 2^30 steps of validation. This module measures each
//! fragment once, so that the engine never gets a document that is too large.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use crate::api::graphql::document::refusal::{DocumentRefusal, Measure};
use crate::api::graphql::document::rules::DocumentRules;
use crate::api::http::error::{ApiError, Result};

/// The fields that introspection starts with (GraphQL specification, section 4). `__typename` is
/// not one of them: it reveals nothing that the client does not know.
const INTROSPECTION_FIELDS: [&str; 2] = ["__schema", "__type"];

/// Checks a document before the engine gets it.
///
/// # Errors
/// `Document` if it is too large, or uses introspection where that is off; `BadRequest` for a cycle
/// of fragments.
pub(crate) fn check(document: &ExecutableDocument, rules: &DocumentRules) -> Result<()> {
    let mut measurement = Measurement {
        document,
        rules,
        fragments: HashMap::new(),
    };
    let mut total = Size::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        total.add(measurement.selection_set(&operation.selection_set.node, 1)?);
        total.add_directives(&operation.directives);
        for variable in &operation.variable_definitions {
            total.add_directives(&variable.node.directives);
        }
    }
    Measure::RootFields.check(&rules.limits, total.root_fields)?;
    // The engine also validates fragments without a spread.
    for name in document.fragments.keys() {
        total = total.max(measurement.fragment(name, 1)?);
    }
    for (measure, count) in [
        (Measure::Depth, total.depth),
        (Measure::Aliases, total.aliases),
        (Measure::Directives, total.directives),
        (Measure::Fields, total.fields),
    ] {
        measure.check(&rules.limits, count)?;
    }
    Ok(())
}

/// The size of a part of a document. Sums saturate, because doubling fragments overflow them.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    depth: usize,
    fields: usize,
    /// Fields at the top level of the part.
    root_fields: usize,
    aliases: usize,
    directives: usize,
}

impl Size {
    /// Adds a part beside this one.
    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.root_fields = self.root_fields.saturating_add(other.root_fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }

    fn add_directives(&mut self, directives: &[Positioned<Directive>]) {
        self.directives = self.directives.saturating_add(directives.len());
    }

    /// The larger one of each measure.
    fn max(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            fields: self.fields.max(other.fields),
            root_fields: self.root_fields.max(other.root_fields),
            aliases: self.aliases.max(other.aliases),
            directives: self.directives.max(other.directives),
        }
    }
}

struct Measurement<'a> {
    document: &'a ExecutableDocument,
    rules: &'a DocumentRules,
    /// The fragments measured so far; `None` for a fragment whose measurement is in progress.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measurement<'a> {
    /// The size of a selection set at this level. The check of the level also bounds the recursion
    /// of this function through a long chain of fragments.
    fn selection_set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size> {
        let mut size = Size::default();
        if set.items.is_empty() {
            return Ok(size);
        }
        Measure::Depth.check(&self.rules.limits, level)?;
        for item in &set.items {
            size.add(self.selection(&item.node, level)?);
        }
        size.depth += 1;
        Ok(size)
    }

    fn selection(&mut self, selection: &'a Selection, level: usize) -> Result<Size> {
        let mut size = match selection {
            Selection::Field(field) => self.field(&field.node, level)?,
            Selection::InlineFragment(fragment) => self.selection_set(&fragment.node.selection_set.node, level + 1)?,
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, level + 1)?,
        };
        size.add_directives(selection.directives());
        Ok(size)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Size> {
        if !self.rules.is_introspection_on && INTROSPECTION_FIELDS.contains(&field.name.node.as_str()) {
            return Err(DocumentRefusal::IntrospectionOff.into());
        }
        let mut size = self.selection_set(&field.selection_set.node, level + 1)?;
        size.fields = size.fields.saturating_add(1);
        size.root_fields = 1;
        size.aliases = size.aliases.saturating_add(usize::from(field.alias.is_some()));
        Ok(size)
    }

    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Size> {
        match self.fragments.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(ApiError::bad_request(format!("The fragment {name} spreads itself."))),
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            // The engine reports the unknown fragment at each spread, so each spread counts.
            return Ok(Size {
                fields: 1,
                ..Size::default()
            });
        };
        self.fragments.insert(name, None);
        let mut size = self.selection_set(&fragment.node.selection_set.node, level)?;
        size.add_directives(&fragment.node.directives);
        self.fragments.insert(name, Some(size));
        Ok(size)
    }
}
