//! Host ports: a task is not started while another one on this node holds a port of its.
//!
//! The managers lease a port to one task at a time, and to the next when the one before has ended. Only
//! a task whose node was away for a day is given up without that: when the node is back, its port may
//! belong to a new task already, while the old container still has to be stopped.

use super::held::Held;
use proto::model::{PortProtocol, TaskId};
use std::{collections::BTreeMap, num::NonZeroU16};

/// Whether a task would be started now if another one did not hold a port of its.
pub(super) fn are_taken(tasks: &BTreeMap<TaskId, Held>, id: TaskId) -> bool {
    let Some(held) = tasks.get(&id).filter(|held| waits(held)) else { return false };
    let is_in_the_way =
        |other: &Held| other.may_run() && of(other).any(|port| of(held).any(|own| own == port));
    tasks.iter().any(|(other_id, other)| *other_id != id && is_in_the_way(other))
}

/// The tasks that can perhaps be started now, as one of those touched has ended.
pub(super) fn released<'a, 'b>(
    tasks: &'a BTreeMap<TaskId, Held>,
    mut touched: impl Iterator<Item = &'b TaskId>,
) -> Vec<&'a Held> {
    let gives_up_ports = |id| tasks.get(id).is_some_and(|held| held.has_ended() && of(held).next().is_some());
    match touched.any(gives_up_ports) {
        true => tasks.values().filter(|held| waits(held)).collect(),
        false => Vec::new(),
    }
}

fn waits(held: &Held) -> bool {
    held.is_about_to_start() && of(held).next().is_some()
}

fn of(held: &Held) -> impl Iterator<Item = (PortProtocol, NonZeroU16)> {
    held.task().spec.host_ports().filter_map(|port| Some((port.protocol, port.published?)))
}
