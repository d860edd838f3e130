//! What nodes know of networks, worked out once for each state, whatever the number of sessions.

use manager_core::{networks::Tables, state::State};
use proto::model::NodeId;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The tables of the newest state that was looked at. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTables(Arc<Mutex<Arc<Tables>>>);

impl SharedTables {
    /// The tables of a state, and the nodes to which something of them is news, which are named only to
    /// whoever looks at the state first.
    pub fn of(&self, state: &State) -> (Arc<Tables>, BTreeSet<NodeId>) {
        // A panic leaves the tables before in place, from which any others can be worked out.
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.version() == state.version() {
            return (newest.clone(), BTreeSet::new());
        }
        let tables = Arc::new(newest.next(state));
        // Whoever looks at an older state is woken anyway to look at the newer one.
        if tables.version() < newest.version() {
            return (tables, BTreeSet::new());
        }
        let concerned = tables.concerned(&newest);
        *newest = tables.clone();
        (tables, concerned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, network_spec, node, service};

    #[test]
    fn who_has_to_be_told_is_named_once_and_an_older_state_takes_nothing_back() {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let before = bench.state.clone();
        let front = bench.add_network(network_spec("front"));
        bench.create(service("web").network(front));
        bench.settle();
        let shared = SharedTables::default();
        let (tables, concerned) = shared.of(&bench.state);
        assert_eq!((tables.of_node(id).count(), concerned), (1, BTreeSet::from([id])));
        assert_eq!(shared.of(&bench.state).1, BTreeSet::new());
        let (older, concerned) = shared.of(&before);
        assert_eq!((older.of_node(id).count(), concerned), (0, BTreeSet::new()));
        assert!(Arc::ptr_eq(&shared.of(&bench.state).0, &tables));
    }
}
