//! The disk: ordered byte keys and values in named tables, changed by atomic, durable batches.

mod error;
mod files;
mod guarded;
mod layout;
mod mem;
mod op;
mod rows;
mod sled_disk;

pub(crate) use error::show;
pub use error::{DiskError, EngineError};
pub use mem::MemDisk;
pub use op::{KeyRange, MAX_KEY_BYTES, MAX_VALUE_BYTES, Op, Table};
pub use sled_disk::{DISK_FORMAT, SledDisk};

use std::ops::ControlFlow;

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Receives the keys and values of a range in key order, until it breaks.
pub type Visitor<'a> = dyn FnMut(Vec<u8>, Vec<u8>) -> ControlFlow<()> + 'a;

/// Holds tables of ordered byte keys and values.
///
/// Reads see whole batches only, and only durable ones.
pub trait Disk: Send + Sync + 'static {
    /// Returns the value of `key`, or `None` where there is none.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError>;

    /// Shows the visitor each key of `keys` with its value, in key order.
    ///
    /// The visitor must not write to the same disk: that would wait for itself.
    fn range(&self, table: Table, keys: &KeyRange, visit: &mut Visitor<'_>) -> Result<(), DiskError>;

    /// Returns the greatest key of the table with its value, or `None` if the table is empty.
    fn last(&self, table: Table) -> Result<Option<KeyValue>, DiskError>;

    /// Carries out all operations in order, or none of them; when it returns `Ok` they are durable.
    ///
    /// After an error other than [`DiskError::KeyTooLong`] and [`DiskError::ValueTooLong`] it is not
    /// known whether the batch will be there after a restart, and the disk serves nothing more until
    /// it is opened again.
    fn batch(&self, ops: Vec<Op>) -> Result<(), DiskError>;

    /// Says whether calls may wait for a device, so that async code must make them on another thread.
    fn waits(&self) -> bool;
}
