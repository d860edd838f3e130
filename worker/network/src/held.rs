//! Containers' namespaces, held open: one that somebody unbound from its file is bound again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::namespace::{Namespace, NamespaceError};

/// The namespaces of a node's containers, by their tasks' ids. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldNamespaces(Arc<Mutex<BTreeMap<String, Namespace>>>);

impl HeldNamespaces {
    pub(crate) fn insert(&self, task: String, namespace: Namespace) {
        self.lock().insert(task, namespace);
    }

    /// Returns a task's namespace.
    pub(crate) fn get(&self, task: &str) -> Option<Namespace> {
        self.lock().get(task).cloned()
    }

    /// Lets go of a task's namespace: from then on its file may be removed, and is not made again.
    pub(crate) fn remove(&self, task: &str) {
        self.lock().remove(task);
    }

    /// Binds those to their files again that somebody unbound; tells of each whether it was.
    pub(crate) fn put_in_place(&self) -> Vec<(PathBuf, Result<bool, NamespaceError>)> {
        // Under the lock: none that is let go of meanwhile is bound again.
        let held = self.lock();
        let put = |namespace: &Namespace| (namespace.path().to_owned(), namespace.ensure_in_place());
        held.values().map(put).collect()
    }

    /// Binds a task's namespace to its file again if it is not any more; tells whether it is known at all. One that can't
    /// be bound now is tried again by [`HeldNamespaces::put_in_place`].
    pub(crate) fn bring_back(&self, task: &str) -> bool {
        let held = self.lock();
        let Some(namespace) = held.get(task) else { return false };
        match namespace.ensure_in_place() {
            Ok(false) => {}
            Ok(true) => {
                warn!(task, "container's namespace was not bound to its file any more; it was put back")
            }
            Err(error) => warn!(task, %error, "container's namespace cannot be bound to its file now"),
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Namespace>> {
        // Every change of the map is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<(String, Namespace)> for HeldNamespaces {
    fn from_iter<I: IntoIterator<Item = (String, Namespace)>>(held: I) -> Self {
        Self(Arc::new(Mutex::new(held.into_iter().collect())))
    }
}
