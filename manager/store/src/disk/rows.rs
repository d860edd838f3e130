//! Keys and values as rows of sled's tree: what a batch writes, and values put together again.

use std::collections::BTreeMap;

use super::{
    EngineError, KeyRange, KeyValue, Op, Table,
    layout::{self, Stem},
};

/// Why a value cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// sled failed.
    Engine(EngineError),
    /// A row is missing from the value of this key.
    Incomplete(Vec<u8>),
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Turns operations into the rows to write and to remove, given what the tree holds now.
pub(super) fn plan(tree: &sled::Tree, ops: Vec<Op>) -> Result<sled::Batch, EngineError> {
    // sled's batch keeps no order, so what becomes of each key in the end is found here.
    let mut outcome: BTreeMap<Stem, Option<Vec<u8>>> = BTreeMap::new();
    for op in ops {
        match op {
            Op::Put { table, key, value } => {
                outcome.insert(Stem::new(table, &key), Some(value));
            }
            Op::Remove { table, key } => {
                outcome.insert(Stem::new(table, &key), None);
            }
            Op::RemoveRange { table, keys } => {
                let (first, end) = layout::bounds(table, &keys);
                for (stem, value) in &mut outcome {
                    if stem.is_between(&first, &end) {
                        *value = None;
                    }
                }
                for stem in stems(tree, &first, &end)? {
                    outcome.insert(stem, None);
                }
            }
        }
    }
    let mut rows = sled::Batch::default();
    for (stem, value) in &outcome {
        let mut written = 0;
        for row in value.iter().flat_map(|value| layout::cut(value)) {
            rows.insert(stem.row(written), row);
            written += 1;
        }
        for left_over in written..parts(tree, stem)? {
            rows.remove(stem.row(left_over));
        }
    }
    Ok(rows)
}

/// Reads the value of one key.
pub(super) fn get(tree: &sled::Tree, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let stem = Stem::new(table, key);
    let mut rows = tree.range(stem.row(0)..=stem.last_row());
    Ok(next(&mut rows, table)?.map(|(_, value)| value))
}

/// Reads the greatest key of a table and its value.
pub(super) fn last(tree: &sled::Tree, table: Table) -> Result<Option<KeyValue>, Fault> {
    let (first, end) = layout::bounds(table, &KeyRange::all());
    let Some(row) = tree.range(first..end).next_back() else { return Ok(None) };
    let (row_key, _) = row.map_err(EngineError::from)?;
    let (stem, _) = Stem::split(&row_key).ok_or(FOREIGN)?;
    next(&mut tree.range(stem.row(0)..=stem.last_row()), table)
}

/// Starts to read a range of keys; [`next`] takes one after another.
pub(super) fn range(tree: &sled::Tree, table: Table, keys: &KeyRange) -> Option<sled::Iter> {
    let (first, end) = layout::bounds(table, keys);
    // sled takes no range that ends before it starts.
    (first < end).then(|| tree.range(first..end))
}

/// Takes the rows of one key and puts its value together.
pub(super) fn next(rows: &mut sled::Iter, table: Table) -> Result<Option<KeyValue>, Fault> {
    let Some(row) = rows.next() else { return Ok(None) };
    let (row_key, row) = row.map_err(EngineError::from)?;
    let (stem, part) = Stem::split(&row_key).ok_or(FOREIGN)?;
    let key = stem.key(table).ok_or(FOREIGN)?;
    let Some((length, first)) = layout::head(&row).filter(|_| part == 0) else {
        return Err(Fault::Incomplete(key));
    };
    let mut value = first.to_vec();
    for part in 1..layout::parts(length) {
        match rows.next().transpose().map_err(EngineError::from)? {
            Some((row_key, row)) if row_key == stem.row(part) => value.extend(&*row),
            _ => return Err(Fault::Incomplete(key)),
        }
    }
    if value.len() == length { Ok(Some((key, value))) } else { Err(Fault::Incomplete(key)) }
}

const FOREIGN: EngineError = EngineError::Foreign("it has a row that is not one of ours");

/// Lists the keys that have rows between two row keys.
fn stems(tree: &sled::Tree, first: &[u8], end: &[u8]) -> Result<Vec<Stem>, EngineError> {
    let mut stems = Vec::new();
    if first < end {
        for row_key in tree.range(first..end).keys() {
            if let Some((stem, 0)) = Stem::split(&row_key?) {
                stems.push(stem);
            }
        }
    }
    Ok(stems)
}

/// Returns how many rows the value of a key has now.
fn parts(tree: &sled::Tree, stem: &Stem) -> Result<usize, EngineError> {
    let first = tree.get(stem.row(0))?;
    Ok(first.and_then(|row| layout::head(&row).map(|(length, _)| layout::parts(length))).unwrap_or(0))
}
