//! The encoded end of the log in memory, so that replication rarely reads the disk.

use std::{collections::VecDeque, sync::Arc};

/// The most that the tail takes, in bytes of encoded entries; the newest entry is kept in any case.
const CAPACITY_BYTES: usize = 8 << 20;

/// Encoded entries and their indexes, in order.
pub(super) type Encoded = Vec<(u64, Arc<[u8]>)>;

/// Holds the last entries of the log, without a gap.
#[derive(Debug, Default)]
pub(super) struct Tail {
    first: u64,
    entries: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl Tail {
    /// Adds an entry; one that does not follow the last starts the tail anew.
    pub(super) fn push(&mut self, index: u64, entry: Arc<[u8]>) {
        if index != self.end() {
            *self = Self { first: index, ..Self::default() };
        }
        self.bytes += entry.len();
        self.entries.push_back(entry);
        while self.bytes > CAPACITY_BYTES && self.entries.len() > 1 {
            self.drop_first();
        }
    }

    /// Drops the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.end() > index
            && let Some(entry) = self.entries.pop_back()
        {
            self.bytes -= entry.len();
        }
    }

    /// Drops the entries up to and including `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while self.first <= index && !self.entries.is_empty() {
            self.drop_first();
        }
    }

    /// Returns the entries of a range in order, or `None` unless the tail has them all.
    pub(super) fn get(&self, start: u64, end: u64) -> Option<Encoded> {
        let has = self.first <= start && start <= end && end <= self.end();
        has.then(|| {
            let skip = (start - self.first) as usize;
            (start..end).zip(self.entries.iter().skip(skip).cloned()).collect()
        })
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn drop_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(indexes: std::ops::Range<u64>) -> Tail {
        let mut tail = Tail::default();
        for index in indexes {
            tail.push(index, [index as u8].into());
        }
        tail
    }

    fn get(tail: &Tail, start: u64, end: u64) -> Option<Vec<u8>> {
        tail.get(start, end).map(|entries| entries.iter().flat_map(|(_, entry)| entry.to_vec()).collect())
    }

    #[test]
    fn only_ranges_that_are_wholly_held_are_served() {
        let tail = tail(5..9);
        assert_eq!(get(&tail, 6, 9), Some(vec![6, 7, 8]));
        assert_eq!(get(&tail, 4, 9), None);
        assert_eq!(get(&tail, 5, 10), None);
    }

    #[test]
    fn truncated_and_purged_entries_are_gone() {
        let mut tail = tail(1..9);
        tail.truncate(7);
        tail.purge(3);
        assert_eq!(get(&tail, 4, 7), Some(vec![4, 5, 6]));
        assert_eq!(get(&tail, 3, 7), None);
        assert_eq!(get(&tail, 4, 8), None);
        tail.purge(100);
        tail.truncate(0);
        assert_eq!(tail.bytes, 0);
    }

    #[test]
    fn an_entry_after_a_gap_starts_the_tail_anew() {
        let mut tail = tail(1..4);
        tail.push(7, [7].into());
        assert_eq!(get(&tail, 7, 8), Some(vec![7]));
        assert_eq!(get(&tail, 1, 4), None);
    }

    #[test]
    fn the_oldest_entries_make_room_and_the_newest_stays() {
        let mut tail = Tail::default();
        for index in 0..4 {
            tail.push(index, vec![0; CAPACITY_BYTES / 2].into());
        }
        assert!(tail.get(2, 4).is_some() && tail.get(1, 4).is_none());
        tail.push(4, vec![0; CAPACITY_BYTES * 2].into());
        assert!(tail.get(4, 5).is_some() && tail.get(3, 5).is_none());
    }
}
