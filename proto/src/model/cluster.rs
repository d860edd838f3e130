//! The cluster itself: its settings, its certificate authority and its join tokens.

use super::{AddressPools, ClusterId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The newest feature level this program understands. Raised when a change to the state is added
/// that older programs can't apply; what nodes and managers say to each other needs none, as it is only added to.
///
/// | Level | What is new in the state |
/// | --- | --- |
/// | 1 | services, tasks, nodes, rollouts |
/// | 2 | networks, their leases, published ports of every node, tasks connected one by one |
/// | 3 | secrets and configs |
/// | 4 | stacks, jobs, probes |
pub const FEATURE_LEVEL: u32 = 4;

/// The level from which on there are secrets and configs.
pub const PAYLOADS_LEVEL: u32 = 3;

/// The cluster object; there is exactly one, made at init.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id; also the organisation in its nodes' certificates.
    pub id: ClusterId,
    /// Version of the state at its last change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings last changed.
    pub updated_at: Timestamp,
    /// Its settings.
    pub spec: ClusterSpec,
    /// Its certificate authority.
    pub root_ca: RootCa,
    /// What lets nodes in.
    pub join_tokens: JoinTokens,
    /// What all managers understand: it rises with the oldest one's program, and none that understands less joins them.
    pub feature_level: u32,
    /// The VXLAN network identifier that was given out last. The next network has the next one, so that a node that was
    /// away for long, and still has containers of a removed network, is not in another one with them.
    #[serde(default)]
    pub last_vni: u32,
}

/// The cluster's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// Ended tasks kept per slot.
    pub task_history_limit: u32,
    /// How often an agent tells that it is alive; it counts as down after three of these.
    pub heartbeat_period: Duration,
    /// How long a node's certificate is valid.
    pub cert_expiry: Duration,
    /// Log entries between two snapshots.
    pub snapshot_interval: u64,
    /// Where networks have their subnets from.
    #[serde(default)]
    pub address_pools: AddressPools,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            task_history_limit: 5,
            // A node that lost power is replaced after 3 s, where Swarm's 5 s period takes 15 s.
            heartbeat_period: Duration::from_secs(1),
            cert_expiry: Duration::from_secs(90 * 24 * 3600),
            snapshot_interval: 10_000,
            address_pools: AddressPools::default(),
        }
    }
}

/// The certificate authority that signs the nodes' certificates.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootCa {
    /// Its certificate.
    pub cert_pem: String,
    /// Its private key. Only managers hold it.
    pub key_pem: String,
}

impl fmt::Debug for RootCa {
    /// Leaves the key out, so that it can't get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootCa").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

/// The secret parts of the join tokens, one for each role.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokens {
    /// Lets a worker in.
    pub worker: String,
    /// Lets a manager in.
    pub manager: String,
}

impl fmt::Debug for JoinTokens {
    /// Leaves the secrets out, so that they can't get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinTokens").finish_non_exhaustive()
    }
}
