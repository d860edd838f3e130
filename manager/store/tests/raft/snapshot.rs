//! The snapshot store: the newest whole snapshot, whatever happens in between.

use manager_store::{
    disk::{Disk, DiskError, KeyRange, MemDisk, Op, SledDisk, Table, Visitor},
    raft::{DiskThread, SnapshotStore},
};
use openraft::{CommittedLeaderId, LogId, SnapshotMeta};

use crate::machine::Types;

fn meta(index: u64) -> SnapshotMeta<u64, openraft::BasicNode> {
    let last_log_id = Some(LogId::new(CommittedLeaderId::new(1, 1), index));
    SnapshotMeta { last_log_id, snapshot_id: format!("at-{index}"), ..SnapshotMeta::default() }
}

fn store<D: Disk>(disk: D) -> SnapshotStore<Types, D> {
    SnapshotStore::new(DiskThread::start(disk).unwrap())
}

/// Fails every batch after the first few, as a crash in between would.
struct Failing {
    disk: MemDisk,
    left: std::sync::atomic::AtomicU32,
}

impl Disk for Failing {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.disk.get(table, key)
    }

    fn range(&self, table: Table, keys: &KeyRange, visit: &mut Visitor<'_>) -> Result<(), DiskError> {
        self.disk.range(table, keys, visit)
    }

    fn last(&self, table: Table) -> Result<Option<(Vec<u8>, Vec<u8>)>, DiskError> {
        self.disk.last(table)
    }

    fn batch(&self, ops: Vec<Op>) -> Result<(), DiskError> {
        use std::sync::atomic::Ordering::SeqCst;
        let spent = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err();
        self.disk.set_full(spent);
        self.disk.batch(ops)
    }

    fn waits(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_snapshot_of_many_megabytes_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..5_000_000u32).map(|at| (at / 1000) as u8).collect();
    store(SledDisk::open(dir.path()).unwrap()).save(&meta(7), &bytes).await.unwrap();
    let (found, loaded) = store(SledDisk::open(dir.path()).unwrap()).load().await.unwrap().unwrap();
    assert_eq!(found, meta(7));
    assert!(loaded == bytes);
}

#[tokio::test]
async fn only_the_newest_snapshot_is_kept() {
    let disk = MemDisk::new();
    let store = store(disk.clone());
    for index in 1..4 {
        store.save(&meta(index), &vec![index as u8; 3 << 20]).await.unwrap();
    }
    assert_eq!(store.load().await.unwrap().unwrap().0, meta(3));
    let mut parts = 0;
    disk.range(Table::new("raft-snapshot-part"), &KeyRange::all(), &mut |_, _| {
        parts += 1;
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(parts, 3);
}

#[tokio::test]
async fn a_snapshot_of_an_older_state_does_not_replace_a_newer_one() {
    let store = store(MemDisk::new());
    store.save(&meta(9), b"newer").await.unwrap();
    store.save(&meta(4), b"older").await.unwrap();
    assert_eq!(store.load().await.unwrap(), Some((meta(9), b"newer".to_vec())));
}

#[tokio::test]
async fn a_crash_at_any_point_leaves_the_one_snapshot_or_the_other() {
    for writes in 0.. {
        let disk = MemDisk::new();
        let (old, new) = (vec![1; 2 << 20], vec![2; 3 << 20]);
        store(disk.clone()).save(&meta(1), &old).await.unwrap();
        let left = writes.into();
        let saved = store(Failing { disk: disk.clone(), left }).save(&meta(2), &new).await;
        disk.set_full(false);
        let restarted = store(disk);
        let found = restarted.load().await.unwrap();
        if saved.is_ok() {
            assert!(found == Some((meta(2), new)));
            assert!(writes > 2, "no crash was tried in between");
            return;
        }
        assert!(found == Some((meta(1), old)), "after {writes} writes");
        // What the crash has left is in nobody's way.
        restarted.save(&meta(3), b"small").await.unwrap();
        assert_eq!(restarted.load().await.unwrap(), Some((meta(3), b"small".to_vec())));
    }
}
