//! How large a document may be once its fragments are in place.
//!
//! The engine follows every spread of a fragment anew: thirty fragments that each spread the next one twice are a kilobyte to send and
//! a thousand million steps to check. So the size is reckoned here first, each fragment once.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::domain::{Error, Result};

/// Most fields, spreads and directives in a document, with its fragments in place. Tools ask for the whole schema with fewer than two hundred.
const MAX_SELECTIONS: u64 = 1000;

/// Checks a document before the engine sees it.
///
/// # Errors
/// `BadRequest` for one that is too large, or whose fragments go round in circles.
pub(super) fn check(document: &ExecutableDocument) -> Result<()> {
    let mut sizes = Sizes {
        document,
        known: HashMap::new(),
    };
    let mut total: u64 = 0;
    for (_, operation) in document.operations.iter() {
        total = total.saturating_add(sizes.of(&operation.node.selection_set.node)?);
    }
    for name in document.fragments.keys() {
        total = total.max(sizes.of_fragment(name)?);
    }
    if total > MAX_SELECTIONS {
        return Err(Error::bad_request(format!(
            "The document is too large: at most {MAX_SELECTIONS} fields, spreads and directives, with fragments in place."
        )));
    }
    Ok(())
}

struct Sizes<'a> {
    document: &'a ExecutableDocument,
    /// `None` while the fragment is being reckoned.
    known: HashMap<&'a Name, Option<u64>>,
}

impl<'a> Sizes<'a> {
    fn of(&mut self, set: &'a SelectionSet) -> Result<u64> {
        set.items.iter().try_fold(0_u64, |total, item| {
            Ok(total.saturating_add(self.of_selection(&item.node)?))
        })
    }

    fn of_selection(&mut self, selection: &'a Selection) -> Result<u64> {
        let inside = match selection {
            Selection::Field(field) => self.of(&field.node.selection_set.node)?,
            Selection::InlineFragment(fragment) => self.of(&fragment.node.selection_set.node)?,
            Selection::FragmentSpread(spread) => self.of_fragment(&spread.node.fragment_name.node)?,
        };
        let directives = selection.directives().len() as u64;
        Ok(inside.saturating_add(directives).saturating_add(1))
    }

    fn of_fragment(&mut self, name: &'a Name) -> Result<u64> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Error::bad_request(format!("The fragment {name} spreads itself."))),
            None => {}
        }
        // One that does not exist is for the engine to report.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(0);
        };
        self.known.insert(name, None);
        let size = self.of(&fragment.node.selection_set.node)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }
}
