//! A port of a node belongs to one task until that has ended.

use super::{Broken, Kept, Step, containers::Containers, holds_node, named};
use proto::model::{NodeId, PortProtocol, Task};
use std::{collections::BTreeMap, num::NonZeroU16};

const PROMISE: &str = "no_host_port_twice";

fn ports(task: &Task) -> impl Iterator<Item = (PortProtocol, NonZeroU16)> {
    task.spec.host_ports().filter_map(|port| Some((port.protocol, port.published?)))
}

/// Looks at the nodes that a transaction touched.
pub(super) fn check(step: &Step<'_>) -> Kept {
    for node in step.nodes() {
        let mut held = BTreeMap::new();
        for task in step.after.tasks_on(node).filter(|task| holds_node(task)) {
            for port in ports(task) {
                if let Some(other) = held.insert(port, task) {
                    let what = format!(
                        "port {} of node {} is held by {}, and by {}",
                        port.1,
                        node.short(6),
                        named(task),
                        named(other)
                    );
                    return Err(Broken::new(PROMISE, what));
                }
            }
        }
    }
    Ok(())
}

/// Looks at a container that is about to run on a node.
pub(super) fn check_containers(containers: &Containers, task: &Task, node: NodeId) -> Kept {
    for running in containers.running().filter(|running| running.node == node) {
        if let Some((_, port)) = ports(task).find(|port| ports(&running.task).any(|taken| taken == *port)) {
            let what = format!(
                "port {port} of node {} is wanted by {}, and taken by {}",
                node.short(6),
                named(task),
                named(&running.task)
            );
            return Err(Broken::new(PROMISE, what));
        }
    }
    Ok(())
}
