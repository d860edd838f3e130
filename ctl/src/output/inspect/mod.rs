//! Objects in the JSON of docker's API: its names of fields, in its order.

mod container;
mod health;
mod network;
mod network_users;
mod node;
mod payload;
mod service;
mod task_template;

pub use container::capabilities;
pub use network::{InspectedNetwork, Surroundings};
pub use node::InspectedNode;
pub use payload::InspectedPayload;
pub use service::{InspectedService, spec};

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What an update of the object must name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    index: u64,
}

/// Labels by key, so that the same object always prints alike.
fn sorted(labels: &HashMap<String, String>) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Nanoseconds, as docker counts spans.
fn nanos(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_none(count: &u32) -> bool {
    *count == 0
}
