//! Which of the notes of `changed_sessions` a node has read, by their numbers.

use std::time::Duration;

use crate::domain::clock::Timestamp;

/// How long a number may become visible after one that was given later: transactions commit in any order. The triggers write at the end
/// of theirs, so this is the time of a commit.
const OVERLAP: Duration = Duration::from_mins(1);
/// Most gaps that are told apart. Of more some notes are read twice, which changes nothing.
const MOST_GAPS: usize = 32;

/// How far a node has come.
#[derive(Debug, Default)]
pub(crate) struct NotesRead {
    /// Up to this number all have been read, but for the gaps.
    up_to: i64,
    /// In order.
    gaps: Vec<Gap>,
}

/// Numbers that were not to be seen when later ones were, or whose notes have to be read again.
#[derive(Debug, Clone, Copy)]
struct Gap {
    first: i64,
    last: i64,
    since: Timestamp,
}

impl NotesRead {
    /// What is to be read next beyond this number: from the first to the last.
    pub(crate) fn missing_after(&self, number: i64) -> Option<(i64, i64)> {
        let next = number.checked_add(1)?;
        let gaps = self.gaps.iter().map(|gap| (gap.first, gap.last));
        let ranges = gaps.chain([(self.up_to + 1, i64::MAX)]);
        let mut beyond = ranges.map(|(first, last)| (first.max(next), last));
        beyond.find(|(first, last)| first <= last)
    }

    /// That one has been read.
    pub(crate) fn read(&mut self, number: i64, now: Timestamp) {
        if number > self.up_to {
            self.add_gap(self.up_to + 1, number - 1, now);
            self.up_to = number;
            return;
        }
        let holes = |gap: &Gap| gap.first <= number && number <= gap.last;
        if let Some(place) = self.gaps.iter().position(holes) {
            let Gap { first, last, since } = self.gaps.remove(place);
            self.add_gap(first, number - 1, since);
            self.add_gap(number + 1, last, since);
        }
    }

    /// That one has been read, and has to be read again.
    pub(crate) fn read_in_vain(&mut self, number: i64, now: Timestamp) {
        self.read(number, now);
        self.add_gap(number, number, now);
    }

    /// All that was missing has been looked for: what did not show for long enough never will.
    pub(crate) fn looked_for(&mut self, now: Timestamp) {
        self.gaps.retain(|gap| now <= gap.since.plus(OVERLAP));
        if let [first, .., last] = self.gaps[..]
            && self.gaps.len() > MOST_GAPS
        {
            self.gaps.clear();
            self.add_gap(first.first, last.last, now);
        }
    }

    fn add_gap(&mut self, first: i64, last: i64, since: Timestamp) {
        if first <= last {
            let place = self.gaps.partition_point(|gap| gap.first < first);
            self.gaps.insert(place, Gap { first, last, since });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn read(numbers: &[i64]) -> NotesRead {
        let mut notes = NotesRead::default();
        for number in numbers {
            notes.read(*number, NOW);
        }
        notes
    }

    /// All that is missing, in order.
    fn missing(notes: &NotesRead) -> Vec<(i64, i64)> {
        let next = |(_, last): &(i64, i64)| notes.missing_after(*last);
        std::iter::successors(notes.missing_after(0), next).collect()
    }

    #[test]
    fn numbers_that_show_late_are_waited_for() {
        let mut notes = read(&[1, 7, 9]);
        assert_eq!(missing(&notes), [(2, 6), (8, 8), (10, i64::MAX)]);
        assert_eq!(notes.missing_after(4), Some((5, 6)), "one page after the other");
        assert_eq!(notes.missing_after(20), Some((21, i64::MAX)));
        notes.read(8, NOW);
        notes.read(4, NOW);
        notes.read(4, NOW);
        assert_eq!(missing(&notes), [(2, 3), (5, 6), (10, i64::MAX)]);
    }

    #[test]
    fn what_does_not_show_within_the_time_of_a_commit_is_not_waited_for() {
        let mut notes = read(&[1, 3]);
        notes.looked_for(NOW.plus(OVERLAP));
        assert_eq!(missing(&notes), [(2, 2), (4, i64::MAX)]);
        notes.looked_for(NOW.plus(OVERLAP).plus(Duration::from_millis(1)));
        assert_eq!(missing(&notes), [(4, i64::MAX)]);
    }

    #[test]
    fn what_has_to_be_read_again_is_missing_from_then_on() {
        let later = NOW.plus(OVERLAP).plus(Duration::from_millis(1));
        let mut notes = read(&[2]);
        notes.read_in_vain(1, later);
        notes.read_in_vain(3, later);
        notes.looked_for(later);
        assert_eq!(missing(&notes), [(1, 1), (3, 3), (4, i64::MAX)]);
    }

    #[test]
    fn of_many_gaps_one_is_made() {
        let odd: Vec<i64> = (1..100).filter(|number| number % 2 == 1).collect();
        let mut notes = read(&odd);
        notes.looked_for(NOW);
        assert_eq!(missing(&notes), [(2, 98), (100, i64::MAX)]);
        let mut few = read(&odd[..10]);
        few.looked_for(NOW);
        assert_eq!(missing(&few).len(), 10);
    }
}
