//! How tables, keys and values become the rows of one sled tree.
//!
//! A value is cut into rows of at most 4 KiB, because sled moves nodes that grow beyond 128 KiB out to
//! files that no power cut spares, and a leaf has up to 17 rows. The first row begins with the length of the value.
//!
//! ```text
//! row key   = table 00 | key, each 00 as 00 FF | 00 00 | part (u16, big endian)
//! row value = part 0: length (u32, big endian), first 4092 bytes;  others: next 4096 bytes
//! ```
//!
//! Row keys sort as (table, key, part) do: that is what the escape is for.

use super::{KeyRange, Table};

/// The longest row value, in bytes.
pub(super) const ROW_BYTES: usize = 4096;
const LENGTH_BYTES: usize = size_of::<u32>();
const PART_BYTES: usize = size_of::<u16>();
const END: [u8; 2] = [0, 0];

/// A table and key in the form in which all their rows begin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stem(Vec<u8>);

impl Stem {
    /// Encodes a table and key.
    pub(super) fn new(table: Table, key: &[u8]) -> Self {
        let mut stem = prefix(table);
        escape(key, &mut stem);
        stem.extend(END);
        Self(stem)
    }

    /// Splits a row's key into its stem and part number.
    pub(super) fn split(row_key: &[u8]) -> Option<(Self, u16)> {
        let (stem, part) = row_key.split_last_chunk::<PART_BYTES>()?;
        Some((Self(stem.to_vec()), u16::from_be_bytes(*part)))
    }

    /// Returns the row key of a part.
    pub(super) fn row(&self, part: usize) -> Vec<u8> {
        let part = u16::try_from(part).expect("64 MiB are 16 385 parts");
        let mut row = self.0.clone();
        row.extend(part.to_be_bytes());
        row
    }

    /// Returns the greatest row key that a part of this key can have.
    pub(super) fn last_row(&self) -> Vec<u8> {
        self.row(u16::MAX.into())
    }

    /// Says whether the stem's first row lies between two row keys, the second exclusive.
    pub(super) fn is_between(&self, first: &[u8], end: &[u8]) -> bool {
        first <= self.0.as_slice() && self.0.as_slice() < end
    }

    /// Decodes the key again, or returns `None` if this is no stem of `table`.
    pub(super) fn key(&self, table: Table) -> Option<Vec<u8>> {
        let escaped = self.0.strip_prefix(prefix(table).as_slice())?.strip_suffix(&END)?;
        let mut key = Vec::with_capacity(escaped.len());
        let mut bytes = escaped.iter();
        while let Some(&byte) = bytes.next() {
            key.push(byte);
            if byte == 0 && bytes.next() != Some(&0xff) {
                return None;
            }
        }
        Some(key)
    }
}

/// Returns the row keys between which all rows of `keys` lie: the first inclusive, the last exclusive.
///
/// The second may be less than the first; such a range is empty.
pub(super) fn bounds(table: Table, keys: &KeyRange) -> (Vec<u8>, Vec<u8>) {
    let mut from = prefix(table);
    escape(&keys.from, &mut from);
    let mut until = prefix(table);
    match &keys.until {
        Some(key) => escape(key, &mut until),
        // The byte after the NUL that ends the table's name.
        None => *until.last_mut().expect("a prefix ends in a NUL") = 1,
    }
    (from, until)
}

/// Cuts a value into the values of its rows, in order of their parts; there is always at least one.
pub(super) fn cut(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let length = u32::try_from(value.len()).expect("values have at most 64 MiB");
    let (head, tail) = value.split_at(value.len().min(ROW_BYTES - LENGTH_BYTES));
    let first = [length.to_be_bytes().as_slice(), head].concat();
    std::iter::once(first).chain(tail.chunks(ROW_BYTES).map(<[u8]>::to_vec))
}

/// Takes a part-0 row's value apart into the length of the whole value and its first bytes.
pub(super) fn head(row_value: &[u8]) -> Option<(usize, &[u8])> {
    let (length, first) = row_value.split_first_chunk::<LENGTH_BYTES>()?;
    Some((u32::from_be_bytes(*length) as usize, first))
}

/// Returns how many rows a value of `length` bytes has.
pub(super) fn parts(length: usize) -> usize {
    (length + LENGTH_BYTES).div_ceil(ROW_BYTES)
}

fn prefix(table: Table) -> Vec<u8> {
    let mut prefix = table.name().as_bytes().to_vec();
    prefix.push(0);
    prefix
}

fn escape(key: &[u8], into: &mut Vec<u8>) {
    for &byte in key {
        into.push(byte);
        if byte == 0 {
            into.push(0xff);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: Table = Table::new("t");

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()], 0..6)
    }

    proptest! {
        #[test]
        fn stems_sort_as_their_keys_do_and_give_them_back(a in keys(), b in keys()) {
            let (stem_a, stem_b) = (Stem::new(TABLE, &a), Stem::new(TABLE, &b));
            prop_assert_eq!(stem_a.cmp(&stem_b), a.cmp(&b));
            prop_assert_eq!(stem_a.key(TABLE), Some(a));
        }

        #[test]
        fn the_bounds_of_a_range_hold_exactly_the_rows_of_its_keys(
            key in keys(), from in keys(), until in prop::option::of(keys()), part in 0usize..3,
        ) {
            let range = KeyRange { from, until };
            let (first, end) = bounds(TABLE, &range);
            let row = Stem::new(TABLE, &key).row(part);
            prop_assert_eq!(first <= row && row < end, range.contains(&key));
        }
    }

    #[test]
    fn a_value_is_cut_into_rows_of_4_kib_that_start_with_its_length() {
        for length in [0, 1, 4091, 4092, 4093, 8188, 8189, 600 << 10] {
            let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let rows: Vec<Vec<u8>> = cut(&value).collect();
            assert_eq!(rows.len(), parts(length));
            assert!(rows.iter().all(|row| row.len() <= ROW_BYTES));
            let (told, first) = head(&rows[0]).unwrap();
            assert_eq!(told, length);
            assert_eq!([first, &rows[1..].concat()].concat(), value);
        }
    }

    #[test]
    fn a_stem_of_another_table_is_not_taken_for_ones_own() {
        assert_eq!(Stem::new(Table::new("other"), b"k").key(TABLE), None);
    }
}
