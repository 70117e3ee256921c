//! Reads the columns of a row one after the other.

use sea_orm::{DbErr, QueryResult, TryGetable};

/// A row and the position of its next column.
pub(crate) struct RowReader<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> RowReader<'a> {
    pub(crate) fn new(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    /// The next column. Positions and not names, because SQLite gives the columns of `RETURNING`
    /// expressions no names.
    pub(crate) fn read<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.row.try_get_by_index(self.next)?;
        self.next += 1;
        Ok(value)
    }
}
