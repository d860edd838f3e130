//! What nodes know of networks, and which tasks are held until they do; worked out once for each state,
//! whatever the number of sessions.

use manager_core::{network_news::NetworkNews, networks::Tables, state::State, under_way::Reached};
use proto::model::{NodeId, TaskId, Timestamp};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The news of one leadership. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTables(Arc<Mutex<NetworkNews>>);

impl SharedTables {
    /// The tables of a state, and the nodes to which something of them is news, which are named only to
    /// whoever looks at the state first.
    pub fn of(&self, state: &State, now: Timestamp) -> (Arc<Tables>, BTreeSet<NodeId>) {
        self.lock().follow(state, now)
    }

    /// Forgets how far nodes are, and so all the rest.
    pub fn clear(&self) {
        *self.lock() = NetworkNews::default();
    }

    /// Notes what a node's kernel has; gives the nodes that have news.
    pub fn carried_out(&self, node: NodeId, reached: &Reached) -> BTreeSet<NodeId> {
        self.lock().carried_out(node, reached)
    }

    /// The tasks of a node that must not be stopped yet, and when that is to be looked at again.
    pub fn held(&self, node: NodeId, now: Timestamp) -> (BTreeSet<TaskId>, Option<Timestamp>) {
        self.lock().held(node, now)
    }

    /// The nodes that have not let go of a task.
    pub fn silent(&self, task: TaskId) -> BTreeSet<NodeId> {
        self.lock().silent(task)
    }

    fn lock(&self) -> MutexGuard<'_, NetworkNews> {
        // A panic leaves what was there before, from which all else can be worked out.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
