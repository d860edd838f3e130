//! Networks that one task was connected to by hand while it runs.

use super::{Name, NetworkId, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A network that one task was connected to, its service was not. The task has an address there as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskConnection {
    /// The network.
    pub network: NetworkId,
    /// Names that lead to this task alone.
    pub aliases: BTreeSet<Name>,
    /// Version of the state when it was last changed. The node has carried it out once the version that
    /// the task's status tells is not behind it.
    pub version: u64,
    /// Whether the task is to leave the network. It holds its address there until its node has carried
    /// that out.
    pub leaving: bool,
}

impl Task {
    /// Its connection to a network, if it was connected by hand.
    pub fn connection(&self, network: NetworkId) -> Option<&TaskConnection> {
        self.connections.iter().find(|connection| connection.network == network)
    }

    /// The version that its node has to have carried out for all its connections to be as wanted.
    pub fn connections_version(&self) -> u64 {
        self.connections.iter().map(|connection| connection.version).max().unwrap_or(0)
    }
}
