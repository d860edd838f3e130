//! A disk in memory, for simulations.

use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Disk, DiskError, KeyRange, KeyValue, Op, Table, Visitor, op};

/// Keeps everything in memory and never waits: stands in for a real disk in simulations only.
///
/// A clone shows the same platters: it is what is found after a restart.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    platters: Arc<Mutex<Platters>>,
}

#[derive(Debug, Default)]
struct Platters {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
    full: bool,
}

impl MemDisk {
    /// Creates an empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every batch fail with [`DiskError::Full`] from now on, or lets them succeed again.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    fn lock(&self) -> MutexGuard<'_, Platters> {
        // Nothing panics between the operations of a batch, so the maps are whole even then.
        self.platters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemDisk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.lock().tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: Table, keys: &KeyRange, visit: &mut Visitor<'_>) -> Result<(), DiskError> {
        let platters = self.lock();
        let rows = platters.tables.get(&table).into_iter().flat_map(|rows| rows.range(keys.from.clone()..));
        for (key, value) in rows.take_while(|(key, _)| keys.contains(key)) {
            if visit(key.clone(), value.clone()) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, table: Table) -> Result<Option<KeyValue>, DiskError> {
        let platters = self.lock();
        let last = platters.tables.get(&table).and_then(BTreeMap::last_key_value);
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn batch(&self, ops: Vec<Op>) -> Result<(), DiskError> {
        op::check(&ops)?;
        let mut platters = self.lock();
        if platters.full {
            let source = io::Error::from(io::ErrorKind::StorageFull).into();
            return Err(DiskError::Full { path: PathBuf::from("memory"), source });
        }
        for op in ops {
            match op {
                Op::Put { table, key, value } => {
                    platters.tables.entry(table).or_default().insert(key, value);
                }
                Op::Remove { table, key } => {
                    platters.tables.entry(table).or_default().remove(&key);
                }
                Op::RemoveRange { table, keys } => {
                    platters.tables.entry(table).or_default().retain(|key, _| !keys.contains(key));
                }
            }
        }
        Ok(())
    }

    fn waits(&self) -> bool {
        false
    }
}
