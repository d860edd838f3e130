//! What a disk is asked: tables, ranges of keys, and the operations of a batch.

use super::DiskError;

/// The longest key a disk takes, in bytes.
///
/// sled keeps up to 256 keys in one index node; with longer ones such a node could outgrow the
/// 128 KiB from which on sled moves it to a file of its own.
pub const MAX_KEY_BYTES: usize = 128;

/// The longest value a disk takes: 64 MiB.
pub const MAX_VALUE_BYTES: usize = 64 << 20;

const MAX_TABLE_BYTES: usize = 32;

/// The name of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table(&'static str);

impl Table {
    /// Names a table: 1 to 32 bytes without a NUL.
    ///
    /// # Panics
    ///
    /// When the name breaks this rule; in a `const` that is a compile error.
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() <= MAX_TABLE_BYTES, "a table's name has 1 to 32 bytes");
        let mut at = 0;
        while at < name.len() {
            assert!(name.as_bytes()[at] != 0, "a table's name has no NUL");
            at += 1;
        }
        Self(name)
    }

    /// Returns the table's name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// A half-open range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key of the range.
    pub from: Vec<u8>,
    /// The first key after the range, or `None` for the end of the table.
    pub until: Option<Vec<u8>>,
}

impl KeyRange {
    /// Covers the whole table.
    pub fn all() -> Self {
        Self { from: Vec::new(), until: None }
    }

    /// Covers `from` and every greater key.
    pub fn from(from: impl Into<Vec<u8>>) -> Self {
        Self { from: from.into(), until: None }
    }

    /// Covers every key before `until`.
    pub fn until(until: impl Into<Vec<u8>>) -> Self {
        Self { from: Vec::new(), until: Some(until.into()) }
    }

    /// Covers `from` and every greater key before `until`; empty if `until` is not greater.
    pub fn between(from: impl Into<Vec<u8>>, until: impl Into<Vec<u8>>) -> Self {
        Self { from: from.into(), until: Some(until.into()) }
    }

    /// Says whether `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && self.until.as_deref().is_none_or(|until| key < until)
    }
}

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Gives `key` a value, in place of any it had.
    Put {
        /// The table written to.
        table: Table,
        /// The key, at most [`MAX_KEY_BYTES`] long.
        key: Vec<u8>,
        /// The value, at most [`MAX_VALUE_BYTES`] long.
        value: Vec<u8>,
    },
    /// Removes `key`, if it is there.
    Remove {
        /// The table removed from.
        table: Table,
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every key of a range.
    RemoveRange {
        /// The table removed from.
        table: Table,
        /// The range.
        keys: KeyRange,
    },
}

impl Op {
    /// Gives `key` a value.
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { table, key: key.into(), value: value.into() }
    }

    /// Removes `key`.
    pub fn remove(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self::Remove { table, key: key.into() }
    }

    /// Removes every key of `keys`.
    pub fn remove_range(table: Table, keys: KeyRange) -> Self {
        Self::RemoveRange { table, keys }
    }
}

/// Refuses keys and values that are too long, before anything of their batch is written.
pub(super) fn check(ops: &[Op]) -> Result<(), DiskError> {
    for op in ops {
        if let Op::Put { table, key, value } = op {
            if key.len() > MAX_KEY_BYTES {
                return Err(DiskError::KeyTooLong { table: table.name(), bytes: key.len() });
            }
            if value.len() > MAX_VALUE_BYTES {
                return Err(DiskError::ValueTooLong {
                    table: table.name(),
                    key: super::error::show(key),
                    bytes: value.len(),
                });
            }
        }
    }
    Ok(())
}
