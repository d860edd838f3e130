//! The state machine openraft drives: it holds the replicated [`State`] and tells watchers of changes.

use super::{Batch, EntryResults, Member, RaftId, TypeConfig};
use manager_core::state::{Event, Image, Refusal, State};
use manager_store::{disk::Disk, raft::SnapshotStore};
use openraft::{
    AnyError, EntryPayload, LogId, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError, StorageIOError,
    StoredMembership, storage::RaftStateMachine,
};
use std::{io::Cursor, sync::Arc};
use tokio::sync::{broadcast, watch};
use tracing::info;

/// Batches of events a slow watcher may be behind before it has to look at everything again.
const FEED_LENGTH: usize = 1024;

/// The state as it is now, and what changed in it; clones share it.
#[derive(Debug, Clone)]
pub struct Feed {
    state: Arc<watch::Sender<State>>,
    events: broadcast::Sender<Arc<[Event]>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
            events: broadcast::Sender::new(FEED_LENGTH),
        }
    }
}

impl Feed {
    /// The state as it is now. It shares everything with the one the next change is applied to.
    pub fn snapshot(&self) -> State {
        self.state.borrow().clone()
    }

    /// The state now and whenever it changes; changes that come fast are seen as one.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// What changes from now on. A receiver that falls behind is told so and looks at everything.
    pub fn events(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    fn publish(&self, state: State, events: Vec<Event>) {
        self.state.send_replace(state);
        // Without receivers there is nobody to tell.
        let _ = self.events.send(events.into());
    }
}

/// Applies committed entries to the state. The state itself is in memory; what is durable is the
/// log and the newest snapshot, from which it is built again.
pub struct StateMachine<D> {
    state: State,
    applied: Option<LogId<RaftId>>,
    membership: StoredMembership<RaftId, Member>,
    snapshots: SnapshotStore<TypeConfig, D>,
    feed: Feed,
}

impl<D: Disk> StateMachine<D> {
    /// The state machine as its newest snapshot has it.
    pub async fn open(
        snapshots: SnapshotStore<TypeConfig, D>,
        feed: Feed,
    ) -> Result<Self, StorageError<RaftId>> {
        let stored = snapshots.load().await.map_err(|error| read_error(&error))?;
        let mut machine = Self {
            state: State::default(),
            applied: None,
            membership: StoredMembership::default(),
            snapshots,
            feed,
        };
        if let Some((meta, bytes)) = stored {
            machine.take_up(&meta, &bytes)?;
        }
        Ok(machine)
    }

    fn take_up(
        &mut self,
        meta: &SnapshotMeta<RaftId, Member>,
        bytes: &[u8],
    ) -> Result<(), StorageError<RaftId>> {
        let image: Image = rmp_serde::from_slice(bytes).map_err(|error| read_error(&error))?;
        self.state = State::from_image(image).map_err(|error| read_error(&error))?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        // There is no list of what is different: an empty one has watchers look at everything.
        self.feed.publish(self.state.clone(), Vec::new());
        Ok(())
    }
}

impl<D: Disk> RaftStateMachine<TypeConfig> for StateMachine<D> {
    type SnapshotBuilder = Builder<D>;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<RaftId>>, StoredMembership<RaftId, Member>), StorageError<RaftId>> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<EntryResults>, StorageError<RaftId>>
    where
        I: IntoIterator<Item = openraft::Entry<TypeConfig>> + Send,
        I::IntoIter: Send,
    {
        let mut events = Vec::new();
        let mut answers = Vec::new();
        for entry in entries {
            self.applied = Some(entry.log_id);
            answers.push(match entry.payload {
                EntryPayload::Blank => EntryResults::new(),
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                    EntryResults::new()
                }
                EntryPayload::Normal(entry) => entry
                    .batches
                    .iter()
                    .map(|batch| apply_batch(&mut self.state, batch, &mut events))
                    .collect(),
            });
        }
        self.feed.publish(self.state.clone(), events);
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder<D> {
        Builder {
            state: self.state.clone(),
            applied: self.applied,
            membership: self.membership.clone(),
            snapshots: self.snapshots.clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError<RaftId>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<RaftId, Member>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<RaftId>> {
        let bytes = snapshot.into_inner();
        self.snapshots.save(meta, &bytes).await.map_err(|error| write_error(&error))?;
        self.take_up(meta, &bytes)?;
        info!(snapshot = %meta.snapshot_id, bytes = bytes.len(), "snapshot taken in");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError<RaftId>> {
        let stored = self.snapshots.load().await.map_err(|error| read_error(&error))?;
        Ok(stored.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

fn apply_batch(state: &mut State, batch: &Batch, events: &mut Vec<Event>) -> Result<u64, Refusal> {
    for transaction in batch {
        events.extend(state.apply(transaction)?.events);
    }
    Ok(state.version())
}

/// Makes a snapshot of the state as it was when the builder was asked for, while changes go on.
pub struct Builder<D> {
    state: State,
    applied: Option<LogId<RaftId>>,
    membership: StoredMembership<RaftId, Member>,
    snapshots: SnapshotStore<TypeConfig, D>,
}

impl<D: Disk> RaftSnapshotBuilder<TypeConfig> for Builder<D> {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError<RaftId>> {
        let state = self.state.clone();
        // Flattening and writing out a large state takes a while, and openraft's heartbeats must not wait.
        let bytes = tokio::task::spawn_blocking(move || rmp_serde::to_vec_named(&state.to_image()))
            .await
            .map_err(|error| write_error(&error))?
            .map_err(|error| write_error(&error))?;
        let id = self.applied.map_or_else(|| "empty".to_owned(), |applied| applied.to_string());
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: id,
        };
        self.snapshots.save(&meta, &bytes).await.map_err(|error| write_error(&error))?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}

fn read_error(error: &(impl std::error::Error + 'static)) -> StorageError<RaftId> {
    StorageIOError::read_snapshot(None, AnyError::new(error)).into()
}

fn write_error(error: &(impl std::error::Error + 'static)) -> StorageError<RaftId> {
    StorageIOError::write_snapshot(None, AnyError::new(error)).into()
}
