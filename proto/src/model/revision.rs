//! Revisions: the specs that a service had.

use super::{Rollout, ServiceSpec, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many specs before the present one are kept for each service; Kubernetes' default.
pub const REVISIONS_MAX: usize = 10;

/// What tells one spec of a service from the others. Changing the replica count alone makes no revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionMark {
    /// Counts the specs of the service, from 1; 0 if it was made before revisions were counted.
    pub number: u64,
    /// Since when it is asked for.
    pub since: Timestamp,
    /// The revision whose spec this is once more, if it was rolled back to.
    pub restores: Option<u64>,
}

/// A spec that a service had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Which one.
    pub mark: RevisionMark,
    /// What was asked for.
    pub spec: Arc<ServiceSpec>,
    /// Its task version: tasks that still have it need no replacement when it comes back.
    pub task_version: u64,
    /// What became of bringing it to the tasks, without the slots; `None` if nothing had to be brought.
    pub rollout: Option<Rollout>,
}
