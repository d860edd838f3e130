//! What must survive a restart of the daemon: the tasks of this node with how far each has come, and
//! what their containers hold.
//!
//! ```text
//! ledger.format   format          -> a number
//! ledger.tasks    a task's id     -> the task, with the status observed here
//! ledger.holdings a task's id     -> what its container holds on the node
//! ledger.ports-of-every-node answered -> the published ports that the node answers for
//! ledger.networks, ledger.network-peers, ledger.network-services: see [`networks`]
//! ```

mod networks;
mod ports;

pub use ports::AnsweredPorts;

use manager_store::disk::{Disk, DiskError, KeyRange, KeyValue, Op, Table};
use proto::model::{Task, TaskId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};
use worker_core::{
    agent::LedgerChange,
    network::{Attachment, HostPort},
};

/// The newest form of the ledger that this program reads, and the one it writes.
pub const LEDGER_FORMAT: u32 = 1;

const FORMAT: Table = Table::new("ledger.format");
const TASKS: Table = Table::new("ledger.tasks");
const HOLDINGS: Table = Table::new("ledger.holdings");
const FORMAT_KEY: &[u8] = b"format";

/// What a container holds on its node, so that a restarted daemon can take it over or give it back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holding {
    /// Its network namespace and addresses, if it has its own.
    pub attachment: Option<Attachment>,
    /// The ports of the host that lead to it.
    pub ports: Vec<HostPort>,
}

/// Says what could not be done with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It can't be read.
    #[error("cannot read the ledger of this node's tasks")]
    Read(#[source] DiskError),
    /// It can't be written.
    #[error("cannot write the ledger of this node's tasks")]
    Write(#[source] DiskError),
    /// A newer program wrote it.
    #[error(
        "the ledger of this node's tasks has format {found}, this version knows {LEDGER_FORMAT}; start the newer version again"
    )]
    Newer {
        /// The format found.
        found: u32,
    },
    /// A row is not what this program writes.
    #[error(
        "row `{key}` of the ledger's table `{table}` is damaged; leave the cluster with this node and join again"
    )]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The ledger of one node, on any disk.
#[derive(Clone)]
pub struct Ledger {
    disk: Arc<dyn Disk>,
}

impl Ledger {
    /// Opens the ledger on a disk, or begins one there.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, LedgerError> {
        let ledger = Self { disk };
        match ledger.disk.get(FORMAT, FORMAT_KEY).map_err(LedgerError::Read)? {
            None => ledger.write(vec![Op::put(FORMAT, FORMAT_KEY, LEDGER_FORMAT.to_be_bytes())])?,
            Some(bytes) => {
                let found = <[u8; 4]>::try_from(bytes.as_slice());
                let found =
                    found.map(u32::from_be_bytes).map_err(|error| damaged(FORMAT, FORMAT_KEY, error))?;
                if found > LEDGER_FORMAT {
                    return Err(LedgerError::Newer { found });
                }
            }
        }
        Ok(ledger)
    }

    /// Every task, with the status that was last recorded.
    pub fn tasks(&self) -> Result<Vec<Task>, LedgerError> {
        Ok(self.rows(TASKS)?.into_values().collect())
    }

    /// What each container holds.
    pub fn holdings(&self) -> Result<BTreeMap<TaskId, Holding>, LedgerError> {
        self.rows(HOLDINGS)
    }

    /// Makes changes durable, all or none.
    pub fn apply(&self, changes: &[LedgerChange]) -> Result<(), LedgerError> {
        let op = |change: &LedgerChange| match change {
            LedgerChange::Put(task) => Op::put(TASKS, key(task.id), encode(task.as_ref())),
            LedgerChange::Remove(task) => Op::remove(TASKS, key(*task)),
        };
        self.write(changes.iter().map(op).collect())
    }

    /// Records what a container holds.
    pub fn hold(&self, task: TaskId, holding: &Holding) -> Result<(), LedgerError> {
        self.write(vec![Op::put(HOLDINGS, key(task), encode(holding))])
    }

    /// Records that a container holds nothing any more.
    pub fn release(&self, task: TaskId) -> Result<(), LedgerError> {
        self.write(vec![Op::remove(HOLDINGS, key(task))])
    }

    fn write(&self, ops: Vec<Op>) -> Result<(), LedgerError> {
        self.disk.batch(ops).map_err(LedgerError::Write)
    }

    fn rows<T: DeserializeOwned>(&self, table: Table) -> Result<BTreeMap<TaskId, T>, LedgerError> {
        self.raw(table)?.iter().map(|(key, value)| decode(table, key, value)).collect()
    }

    /// A table as it is on the disk.
    fn raw(&self, table: Table) -> Result<Vec<KeyValue>, LedgerError> {
        let mut rows = Vec::new();
        let mut keep = |key, value| {
            rows.push((key, value));
            ControlFlow::Continue(())
        };
        self.disk.range(table, &KeyRange::all(), &mut keep).map_err(LedgerError::Read)?;
        Ok(rows)
    }
}

fn key(task: TaskId) -> Vec<u8> {
    task.to_string().into_bytes()
}

fn encode(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("model types have text keys and fail no serializer")
}

fn decode<T: DeserializeOwned>(table: Table, key: &[u8], value: &[u8]) -> Result<(TaskId, T), LedgerError> {
    let id = String::from_utf8_lossy(key).parse().map_err(|error| damaged(table, key, error))?;
    let row = serde_json::from_slice(value).map_err(|error| damaged(table, key, error))?;
    Ok((id, row))
}

fn damaged(table: Table, key: &[u8], error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    let key = String::from_utf8_lossy(key).into_owned();
    LedgerError::Damaged { table: table.name(), key, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_store::disk::MemDisk;
    use proptest::prelude::*;

    fn open(disk: &MemDisk) -> Ledger {
        Ledger::open(Arc::new(disk.clone())).unwrap()
    }

    proptest! {
        #[test]
        fn a_task_is_read_back_after_a_restart(task in proto::testing::task()) {
            let disk = MemDisk::new();
            open(&disk).apply(&[LedgerChange::Put(Box::new(task.clone()))]).unwrap();
            prop_assert_eq!(open(&disk).tasks().unwrap(), vec![task.clone()]);
            open(&disk).apply(&[LedgerChange::Remove(task.id)]).unwrap();
            prop_assert_eq!(open(&disk).tasks().unwrap(), vec![]);
        }
    }

    #[test]
    fn what_a_container_holds_is_read_back_until_it_is_released() {
        let disk = MemDisk::new();
        let id = TaskId::from_bits(7);
        open(&disk).hold(id, &Holding::default()).unwrap();
        assert_eq!(open(&disk).holdings().unwrap(), BTreeMap::from([(id, Holding::default())]));
        open(&disk).release(id).unwrap();
        assert!(open(&disk).holdings().unwrap().is_empty());
    }

    #[test]
    fn a_ledger_of_a_newer_version_is_refused() {
        let disk = MemDisk::new();
        disk.batch(vec![Op::put(FORMAT, FORMAT_KEY, 2u32.to_be_bytes())]).unwrap();
        assert!(matches!(Ledger::open(Arc::new(disk)), Err(LedgerError::Newer { found: 2 })));
    }

    #[test]
    fn a_damaged_row_is_named() {
        let disk = MemDisk::new();
        let id = TaskId::from_bits(7);
        disk.batch(vec![Op::put(TASKS, key(id), b"{".to_vec())]).unwrap();
        let error = open(&disk).tasks().unwrap_err().to_string();
        assert!(error.contains(&id.to_string()), "{error}");
    }
}
