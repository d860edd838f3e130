//! What is going to happen, in the order of virtual time.

use std::{collections::BTreeMap, time::Duration};

/// Events by their time; those of the same time in the order they were added.
#[derive(Debug)]
pub struct Queue<E> {
    events: BTreeMap<(Duration, u64), E>,
    added: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), added: 0 }
    }
}

impl<E> Queue<E> {
    /// Adds an event.
    pub fn add(&mut self, at: Duration, event: E) {
        self.added += 1;
        self.events.insert((at, self.added), event);
    }

    /// Takes the next event out, if it is to happen by then.
    pub fn next_until(&mut self, end: Duration) -> Option<(Duration, E)> {
        let first = self.events.first_entry().filter(|entry| entry.key().0 <= end)?;
        let ((at, _), event) = first.remove_entry();
        Some((at, event))
    }
}
