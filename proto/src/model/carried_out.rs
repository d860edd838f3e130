//! How far a node's kernel is with what its node was told of networks.

use super::NetworkId;
use std::collections::BTreeSet;

/// What of the assignments of a session is in the node's kernel, as far as they tell of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarriedOut {
    /// All of it, up to the assignments with this number.
    pub sequence: u64,
    /// All but [`lacking`](Self::lacking), up to those with this number; nothing more than above if it is not greater.
    pub partly: u64,
    /// The networks that could not be carried out as the later ones tell.
    pub lacking: BTreeSet<NetworkId>,
}
