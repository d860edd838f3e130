//! Nodes: what people decided about them, what they say of themselves, and what was observed.

use super::{NodeId, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    str::FromStr,
};

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, also the common name of its certificate.
    pub id: NodeId,
    /// Version of the state at its last change.
    pub version: u64,
    /// When it joined.
    pub created_at: Timestamp,
    /// When its spec last changed.
    pub updated_at: Timestamp,
    /// What people decided.
    pub spec: NodeSpec,
    /// What it says of itself; `None` until its agent has registered once.
    pub description: Option<NodeDescription>,
    /// What was observed.
    pub status: NodeStatus,
    /// Its place among the managers, if it is one.
    pub manager: Option<ManagerStatus>,
}

/// What people decided about a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Labels that constraints can ask for as `node.labels.NAME`.
    pub labels: BTreeMap<String, String>,
    /// Whether it is to be a manager.
    pub role: Role,
    /// Whether tasks may be placed on it.
    pub availability: Availability,
}

/// What a node is in the cluster; also the organisational unit of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Runs tasks.
    Worker,
    /// Runs tasks, keeps the state and answers calls.
    Manager,
}

/// Whether tasks may be placed on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    /// Gets new tasks.
    Active,
    /// Keeps its tasks and gets no new ones.
    Pause,
    /// Its tasks move to other nodes.
    Drain,
}

/// What a node says of itself when its agent registers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeDescription {
    /// Its host name.
    pub hostname: String,
    /// Its operating system, as images name it (`linux`).
    pub os: String,
    /// Its architecture, as images name it (`amd64`).
    pub arch: String,
    /// Processors, in billionths.
    pub nano_cpus: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Version of its program.
    pub version: String,
    /// Labels from the daemon's configuration (`engine.labels.NAME`).
    pub engine_labels: BTreeMap<String, String>,
    /// The newest feature level it understands.
    pub feature_level: u32,
    /// The address other nodes send container traffic to; the one it advertises if not given.
    pub data_path_addr: Option<IpAddr>,
    /// What its host has routes to, besides the default ones.
    #[serde(default)]
    pub local_subnets: BTreeSet<IpNet>,
    /// What it gives its containers addresses from that are in none of the cluster's networks.
    #[serde(default)]
    pub container_subnets: BTreeSet<IpNet>,
    /// Its host's addresses, without those that have a meaning on one link only.
    #[serde(default)]
    pub addresses: BTreeSet<IpAddr>,
}

/// What the managers observed of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its state.
    pub state: NodeState,
    /// Why, for people.
    pub message: String,
    /// The address its agent calls from.
    pub addr: Option<IpAddr>,
    /// When the state last changed.
    pub since: Timestamp,
}

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It joined, and its agent has not registered yet.
    Unknown,
    /// Its agent was silent for too long; its tasks are replaced.
    Down,
    /// Its agent has a session.
    Ready,
}

/// A manager's place in the consensus group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerStatus {
    /// Its number in the group.
    pub raft_id: u64,
    /// `HOST:PORT` at which other nodes reach it. It may change; the number stays.
    pub addr: String,
}

/// Says that a text is not one of a few words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: use {choices}")]
pub struct WordError {
    text: String,
    what: &'static str,
    choices: &'static str,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Worker => "worker",
            Role::Manager => "manager",
        })
    }
}

impl FromStr for Role {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "worker" => Ok(Role::Worker),
            "manager" => Ok(Role::Manager),
            _ => Err(WordError { text: text.to_owned(), what: "a role", choices: "worker or manager" }),
        }
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Availability::Active => "active",
            Availability::Pause => "pause",
            Availability::Drain => "drain",
        })
    }
}

impl FromStr for Availability {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "active" => Ok(Availability::Active),
            "pause" => Ok(Availability::Pause),
            "drain" => Ok(Availability::Drain),
            _ => Err(WordError {
                text: text.to_owned(),
                what: "an availability",
                choices: "active, pause or drain",
            }),
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            NodeState::Unknown => "unknown",
            NodeState::Down => "down",
            NodeState::Ready => "ready",
        })
    }
}
