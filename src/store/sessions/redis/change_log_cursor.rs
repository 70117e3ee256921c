//! Which entries of the change log `changed_sessions` a node has applied, by their numbers.

use std::time::Duration;

use crate::domain::clock::Timestamp;

/// How long an entry may become visible after one with a greater number, because transactions
/// commit in any order. The triggers write at the end of a transaction, so this is the time of a
/// commit.
const OVERLAP: Duration = Duration::from_mins(1);
/// Most gaps that are kept apart. Beyond that they are merged, and some entries are applied twice,
/// which changes nothing.
const MAX_GAPS: usize = 32;

/// The position of a node in the change log.
#[derive(Debug, Default)]
pub(crate) struct ChangeLogCursor {
    /// All entries up to this number are applied, except the gaps.
    up_to: i64,
    /// In order.
    gaps: Vec<Gap>,
}

/// Numbers that were not visible when a later one was, or whose entries must be applied again.
#[derive(Debug, Clone, Copy)]
struct Gap {
    first: i64,
    last: i64,
    since: Timestamp,
}

impl ChangeLogCursor {
    /// The next range of unread numbers beyond this one, first and last.
    pub(crate) fn unread_after(&self, number: i64) -> Option<(i64, i64)> {
        let next = number.checked_add(1)?;
        let gaps = self.gaps.iter().map(|gap| (gap.first, gap.last));
        let ranges = gaps.chain([(self.up_to + 1, i64::MAX)]);
        let mut beyond = ranges.map(|(first, last)| (first.max(next), last));
        beyond.find(|(first, last)| first <= last)
    }

    pub(crate) fn mark_applied(&mut self, number: i64, now: Timestamp) {
        if number > self.up_to {
            self.add_gap(self.up_to + 1, number - 1, now);
            self.up_to = number;
            return;
        }
        let contains = |gap: &Gap| gap.first <= number && number <= gap.last;
        if let Some(index) = self.gaps.iter().position(contains) {
            let Gap { first, last, since } = self.gaps.remove(index);
            self.add_gap(first, number - 1, since);
            self.add_gap(number + 1, last, since);
        }
    }

    /// The entry was read, but could not be applied.
    pub(crate) fn retry_later(&mut self, number: i64, now: Timestamp) {
        self.mark_applied(number, now);
        self.add_gap(number, number, now);
    }

    /// Every unread range has been read. A number that stayed invisible for long enough belongs to
    /// a transaction that was rolled back.
    pub(crate) fn finish_pass(&mut self, now: Timestamp) {
        self.gaps.retain(|gap| now <= gap.since.plus(OVERLAP));
        if let [first, .., last] = self.gaps[..]
            && self.gaps.len() > MAX_GAPS
        {
            self.gaps.clear();
            self.add_gap(first.first, last.last, now);
        }
    }

    fn add_gap(&mut self, first: i64, last: i64, since: Timestamp) {
        if first <= last {
            let index = self.gaps.partition_point(|gap| gap.first < first);
            self.gaps.insert(index, Gap { first, last, since });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn applied(numbers: &[i64]) -> ChangeLogCursor {
        let mut cursor = ChangeLogCursor::default();
        for number in numbers {
            cursor.mark_applied(*number, NOW);
        }
        cursor
    }

    fn unread(cursor: &ChangeLogCursor) -> Vec<(i64, i64)> {
        let next = |(_, last): &(i64, i64)| cursor.unread_after(*last);
        std::iter::successors(cursor.unread_after(0), next).collect()
    }

    #[test]
    fn numbers_that_become_visible_late_are_read() {
        let mut cursor = applied(&[1, 7, 9]);
        assert_eq!(unread(&cursor), [(2, 6), (8, 8), (10, i64::MAX)]);
        assert_eq!(cursor.unread_after(4), Some((5, 6)), "one page after the other");
        assert_eq!(cursor.unread_after(20), Some((21, i64::MAX)));
        cursor.mark_applied(8, NOW);
        cursor.mark_applied(4, NOW);
        cursor.mark_applied(4, NOW);
        assert_eq!(unread(&cursor), [(2, 3), (5, 6), (10, i64::MAX)]);
    }

    #[test]
    fn a_number_that_stays_invisible_is_given_up() {
        let mut cursor = applied(&[1, 3]);
        cursor.finish_pass(NOW.plus(OVERLAP));
        assert_eq!(unread(&cursor), [(2, 2), (4, i64::MAX)]);
        cursor.finish_pass(NOW.plus(OVERLAP).plus(Duration::from_millis(1)));
        assert_eq!(unread(&cursor), [(4, i64::MAX)]);
    }

    #[test]
    fn an_entry_to_retry_is_unread_again() {
        let later = NOW.plus(OVERLAP).plus(Duration::from_millis(1));
        let mut cursor = applied(&[2]);
        cursor.retry_later(1, later);
        cursor.retry_later(3, later);
        cursor.finish_pass(later);
        assert_eq!(unread(&cursor), [(1, 1), (3, 3), (4, i64::MAX)]);
    }

    #[test]
    fn many_gaps_are_merged() {
        let odd: Vec<i64> = (1..100).filter(|number| number % 2 == 1).collect();
        let mut cursor = applied(&odd);
        cursor.finish_pass(NOW);
        assert_eq!(unread(&cursor), [(2, 98), (100, i64::MAX)]);
        let mut few = applied(&odd[..10]);
        few.finish_pass(NOW);
        assert_eq!(unread(&few).len(), 10);
    }
}
