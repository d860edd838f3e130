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

    /// Lets go of a task's namespace: from then on its file may be removed, and is not made again.
    pub(crate) fn remove(&self, task: &str) {
        self.lock().remove(task);
    }

    /// Binds those to their files again that somebody unbound; tells which, and what could not be done.
    pub(crate) fn put_in_place(&self) -> Vec<(PathBuf, Result<(), NamespaceError>)> {
        // Under the lock: none that is let go of meanwhile is bound again.
        let held = self.lock();
        let put = |namespace: &Namespace| match namespace.ensure_in_place() {
            Ok(false) => None,
            Ok(true) => Some((namespace.path().to_owned(), Ok(()))),
            Err(error) => Some((namespace.path().to_owned(), Err(error))),
        };
        held.values().filter_map(put).collect()
    }

    /// Binds a task's namespace to its file again if it is not any more; tells whether it is there then.
    pub(crate) fn bring_back(&self, task: &str) -> bool {
        let held = self.lock();
        let brought = held.get(task).map(Namespace::ensure_in_place);
        if matches!(brought, Some(Ok(true))) {
            warn!(task, "container's namespace was not bound to its file any more; it was put back");
        }
        brought.is_some_and(|brought| brought.is_ok())
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
