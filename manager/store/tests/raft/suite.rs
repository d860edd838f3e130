//! openraft's own test suite for storage.

use manager_store::{
    disk::{Disk, MemDisk, SledDisk},
    raft::{DiskThread, LogStore, SnapshotStore},
    sealed::{DATA_KEY_BYTES, DataKey, Sealed},
};
use openraft::{
    StorageError,
    testing::{StoreBuilder, Suite},
};
use tempfile::TempDir;

use crate::machine::{Machine, Types};

async fn build<D: Disk>(disk: D) -> (LogStore<Types, D>, Machine<D>) {
    let disk = DiskThread::start(disk).unwrap();
    let machine = Machine::new(SnapshotStore::new(disk.clone()));
    (LogStore::open(disk).await.unwrap(), machine)
}

struct InMemory;

impl StoreBuilder<Types, LogStore<Types, MemDisk>, Machine<MemDisk>> for InMemory {
    async fn build(&self) -> Result<((), LogStore<Types, MemDisk>, Machine<MemDisk>), StorageError<u64>> {
        let (log, machine) = build(MemDisk::new()).await;
        Ok(((), log, machine))
    }
}

struct OnSled;

type SealedSled = Sealed<SledDisk>;

impl StoreBuilder<Types, LogStore<Types, SealedSled>, Machine<SealedSled>, TempDir> for OnSled {
    async fn build(
        &self,
    ) -> Result<(TempDir, LogStore<Types, SealedSled>, Machine<SealedSled>), StorageError<u64>> {
        let dir = tempfile::tempdir().unwrap();
        let key = DataKey::from_bytes([1; DATA_KEY_BYTES]);
        let (log, machine) = build(Sealed::open(SledDisk::open(dir.path()).unwrap(), &key).unwrap()).await;
        Ok((dir, log, machine))
    }
}

#[test]
fn openrafts_suite_passes_in_memory() {
    Suite::test_all(InMemory).unwrap();
}

#[test]
fn openrafts_suite_passes_on_sealed_sled() {
    Suite::test_all(OnSled).unwrap();
}
