//! The types openraft is built with.

use manager_core::state::{Refusal, Transaction};
use proto::model::NodeId;
use serde::{Deserialize, Serialize};
use std::io::Cursor;

/// A manager's number in the consensus group.
pub type RaftId = u64;

/// What one log entry carries: batches that were proposed while the entry before it was being
/// written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The batches, in order; they do not depend on each other.
    pub batches: Vec<Batch>,
}

/// Transactions of which a later one may rest on an earlier one: they are applied in order up to the
/// first that is refused.
pub type Batch = Vec<Transaction>;

/// What became of each batch: the state's version after it, or why it stopped.
pub type EntryResults = Vec<Result<u64, Refusal>>;

/// A manager as the group's membership names it. The address is where it was when it joined; the
/// present one is in the address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// `HOST:PORT`.
    pub addr: String,
}

impl Default for Member {
    /// openraft asks for it and does not use it.
    fn default() -> Self {
        Self { node: NodeId::from_bits(0), addr: String::new() }
    }
}

openraft::declare_raft_types!(
    /// What openraft is to work with here.
    pub TypeConfig:
        D = Entry,
        R = EntryResults,
        NodeId = RaftId,
        Node = Member,
        SnapshotData = Cursor<Vec<u8>>,
);

/// The consensus group as one manager sees it.
pub type Raft = openraft::Raft<TypeConfig>;

/// A node's number in the group: 64 of its id's random bits. A node that is demoted and promoted
/// again begins with an empty log, and so must not vote under its old number: `incarnation` counts
/// its promotions.
pub fn raft_id_of(node: NodeId, incarnation: u32) -> RaftId {
    let bits = node.bits();
    ((bits ^ (bits >> 64)) as u64).wrapping_add(u64::from(incarnation))
}
