//! The newest snapshot of the state machine on a disk.

use std::{marker::PhantomData, sync::Arc};

use openraft::{RaftTypeConfig, SnapshotMeta};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    DiskThread, RaftStoreError,
    codec::{decode, encode},
};
use crate::disk::{Disk, KeyRange, Op, Table};

/// The record of the current snapshot.
const CURRENT: Table = Table::new("raft-snapshot");
const CURRENT_KEY: &[u8] = b"current";
/// The snapshots' bytes in parts, each under the snapshot's number and its own (`u64` and `u32`, big endian).
const PARTS: Table = Table::new("raft-snapshot-part");
/// Small enough that the log's writes wait for one such write only.
const PART_BYTES: usize = 1 << 20;
const SNAPSHOT: &str = "the snapshot";

/// Keeps the newest snapshot on a disk; clones share it.
///
/// The parts of a new snapshot are written beside the old one, and one last batch puts it in the old
/// one's place: a crash leaves the one or the other.
pub struct SnapshotStore<C, D> {
    disk: DiskThread<D>,
    /// One snapshot is saved at a time.
    saving: Arc<Mutex<()>>,
    config: PhantomData<fn() -> C>,
}

impl<C, D> Clone for SnapshotStore<C, D> {
    fn clone(&self) -> Self {
        Self { disk: self.disk.clone(), saving: self.saving.clone(), config: PhantomData }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Current<C: RaftTypeConfig> {
    number: u64,
    bytes: u64,
    meta: SnapshotMeta<C::NodeId, C::Node>,
}

impl<C: RaftTypeConfig, D: Disk> SnapshotStore<C, D> {
    /// Uses a disk, which may also hold the log.
    pub fn new(disk: DiskThread<D>) -> Self {
        Self { disk, saving: Arc::default(), config: PhantomData }
    }

    /// Saves a snapshot in place of the one before; it is durable when this returns.
    ///
    /// A snapshot of an older state than the one already there is dropped: it was being built while
    /// the newer one came from the leader.
    pub async fn save(
        &self,
        meta: &SnapshotMeta<C::NodeId, C::Node>,
        bytes: &[u8],
    ) -> Result<(), RaftStoreError> {
        let _saving = self.saving.lock().await;
        let current = self.disk.run(current::<C, D>).await?;
        if current.as_ref().is_some_and(|current| current.meta.last_log_id > meta.last_log_id) {
            tracing::info!(snapshot = %meta.snapshot_id, "snapshot dropped, a newer one is stored");
            return Ok(());
        }
        let number = current.as_ref().map_or(0, |current| current.number + 1);
        self.remove_unfinished(number).await?;
        for (part, bytes) in (0u32..).zip(bytes.chunks(PART_BYTES)) {
            let op = Op::put(PARTS, part_key(number, part), bytes);
            self.write(vec![op]).await?;
        }
        let record = Current::<C> { number, bytes: bytes.len() as u64, meta: meta.clone() };
        let older = KeyRange::until(part_key(number, 0));
        self.write(vec![
            Op::put(CURRENT, CURRENT_KEY, encode(SNAPSHOT, &record)?),
            Op::remove_range(PARTS, older),
        ])
        .await
    }

    /// Loads the newest snapshot, or returns `None` if none was ever saved.
    pub async fn load(&self) -> Result<Option<(SnapshotMeta<C::NodeId, C::Node>, Vec<u8>)>, RaftStoreError> {
        self.disk.run(load::<C, D>).await
    }

    /// Removes what a crash has left of a snapshot with this number.
    async fn remove_unfinished(&self, number: u64) -> Result<(), RaftStoreError> {
        self.write(vec![Op::remove_range(PARTS, KeyRange::from(part_key(number, 0)))]).await
    }

    async fn write(&self, ops: Vec<Op>) -> Result<(), RaftStoreError> {
        self.disk.run(move |disk| Ok(disk.batch(ops)?)).await
    }
}

fn current<C: RaftTypeConfig, D: Disk>(disk: &D) -> Result<Option<Current<C>>, RaftStoreError> {
    disk.get(CURRENT, CURRENT_KEY)?.map(|record| decode(SNAPSHOT, &record)).transpose()
}

type Loaded<C> = (SnapshotMeta<<C as RaftTypeConfig>::NodeId, <C as RaftTypeConfig>::Node>, Vec<u8>);

fn load<C: RaftTypeConfig, D: Disk>(disk: &D) -> Result<Option<Loaded<C>>, RaftStoreError> {
    let Some(Current { number, bytes: length, meta }) = current::<C, D>(disk)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let mut parts = 0;
    let mut in_order = true;
    let keys = KeyRange::between(part_key(number, 0), part_key(number + 1, 0));
    disk.range(PARTS, &keys, &mut |key, part| {
        in_order &= key == part_key(number, parts);
        parts += 1;
        bytes.extend(part);
        std::ops::ControlFlow::Continue(())
    })?;
    if in_order && bytes.len() as u64 == length {
        Ok(Some((meta, bytes)))
    } else {
        Err(RaftStoreError::Damaged { what: SNAPSHOT })
    }
}

fn part_key(number: u64, part: u32) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &part.to_be_bytes()].concat()
}
