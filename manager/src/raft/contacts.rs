//! When each other manager last answered.

use super::RaftId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The last answers of the other managers to this one. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Contacts {
    answered: Arc<Mutex<BTreeMap<RaftId, Instant>>>,
}

impl Contacts {
    /// Notes that a manager has just answered.
    pub fn answered(&self, id: RaftId) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
    }

    /// Whether a manager has answered within this time.
    pub fn within(&self, id: RaftId, span: Duration) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.get(&id).is_some_and(|at| at.elapsed() < span)
    }
}
