//! Where the other managers are at present.

use super::{Member, RaftId};
use manager_core::state::State;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The managers' present addresses, kept up to date from the state: a member may move and keep its
/// place. Clones share one book.
#[derive(Debug, Clone, Default)]
pub struct AddressBook {
    members: Arc<RwLock<BTreeMap<RaftId, Member>>>,
}

impl AddressBook {
    /// Takes the managers and their addresses from the state.
    pub fn read_from(&self, state: &State) {
        let members = state.nodes().filter_map(|node| {
            let manager = node.manager.as_ref()?;
            Some((manager.raft_id, Member { node: node.id, addr: manager.addr.clone() }))
        });
        // The map is replaced whole, so a panic elsewhere can't have left it half changed.
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members.collect();
    }

    /// A member, if the state names it.
    pub fn find(&self, id: RaftId) -> Option<Member> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}
