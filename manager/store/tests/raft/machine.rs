//! A small state machine over the snapshot store: it counts what it has applied.

use std::{
    io::Cursor,
    sync::{Arc, Mutex},
};

use manager_store::{
    disk::Disk,
    raft::{RaftStoreError, SnapshotStore},
};
use openraft::{
    AnyError, BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftLogId, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership, storage::RaftStateMachine,
};
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    pub Types: D = Vec<u8>, R = u64, NodeId = u64, Node = BasicNode, Entry = Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>, AsyncRuntime = openraft::TokioRuntime
);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
    count: u64,
}

/// Counts the bytes of the entries applied.
pub struct Machine<D> {
    state: Arc<Mutex<State>>,
    snapshots: SnapshotStore<Types, D>,
}

impl<D> Clone for Machine<D> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), snapshots: self.snapshots.clone() }
    }
}

fn failed(error: &RaftStoreError) -> StorageError<u64> {
    StorageIOError::write_snapshot(None, AnyError::new(error)).into()
}

impl<D: Disk> Machine<D> {
    pub fn new(snapshots: SnapshotStore<Types, D>) -> Self {
        Self { state: Arc::default(), snapshots }
    }
}

impl<D: Disk> RaftSnapshotBuilder<Types> for Machine<D> {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError<u64>> {
        let state = self.state.lock().unwrap().clone();
        let meta = SnapshotMeta {
            last_log_id: state.applied,
            last_membership: state.membership.clone(),
            snapshot_id: format!("at-{}", state.applied.map_or(0, |applied| applied.index)),
        };
        let bytes = rmp_serde::to_vec_named(&state).unwrap();
        self.snapshots.save(&meta, &bytes).await.map_err(|error| failed(&error))?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}

impl<D: Disk> RaftStateMachine<Types> for Machine<D> {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>), StorageError<u64>> {
        let state = self.state.lock().unwrap();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<u64>, StorageError<u64>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state.lock().unwrap();
        let apply = |entry: Entry<Types>| {
            state.applied = Some(*entry.get_log_id());
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(bytes) => state.count += bytes.len() as u64,
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
            }
            state.count
        };
        Ok(entries.into_iter().map(apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError<u64>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<u64>> {
        let bytes = snapshot.into_inner();
        self.snapshots.save(meta, &bytes).await.map_err(|error| failed(&error))?;
        *self.state.lock().unwrap() = rmp_serde::from_slice(&bytes).unwrap();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError<u64>> {
        let loaded = self.snapshots.load().await.map_err(|error| failed(&error))?;
        Ok(loaded.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}
