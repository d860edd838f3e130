//! No number of a network is held twice, and a task holds one in each of its networks.

use super::{Broken, Kept, Step, holds_node, named};
use manager_core::{networks::ingress, state::State};
use proto::model::NetworkId;
use std::collections::BTreeMap;

const PROMISE: &str = "no_number_twice";

/// Looks at everything that holds a number, as the objects themselves have it.
pub(super) fn check(step: &Step<'_>) -> Kept {
    let mut held: BTreeMap<(NetworkId, u32), String> = BTreeMap::new();
    for (network, number, holder) in holders(step.after) {
        if let Some(other) = held.insert((network, number), holder.clone()) {
            let what = format!("number {number} of {} is held by {holder}, and by {other}", network.short(6));
            return Err(Broken::new(PROMISE, what));
        }
    }
    for task in step.tasks().filter(|task| holds_node(task)) {
        let attached = task.spec.task.attachments.iter().map(|attachment| attachment.network);
        let ingress = ingress(step.after).filter(|_| task.spec.publishes_ingress());
        // One that was disconnected by force has given its address up before its node let go of it.
        let has = |network| task.addresses.iter().any(|address| address.network == network);
        let holds = task.connections.iter().filter(|it| !it.leaving || has(it.network));
        let connected = holds.map(|connection| connection.network);
        let wanted = attached.chain(ingress.map(|network| network.id)).chain(connected);
        if !wanted.eq(task.addresses.iter().map(|address| address.network)) {
            let what = format!("{}, lacks an address, or has one too many", named(task));
            return Err(Broken::new(PROMISE, what));
        }
    }
    Ok(())
}

fn holders(state: &State) -> impl Iterator<Item = (NetworkId, u32, String)> {
    let tasks = state
        .tasks()
        .filter(|task| holds_node(task))
        .flat_map(|task| task.addresses.iter().map(|address| (address.network, address.number, named(task))));
    let services = state.services().flat_map(|service| {
        service.vips.iter().map(|(&network, &vip)| (network, vip, format!("service {}", service.spec.name)))
    });
    let nodes = state.networks().flat_map(|network| {
        let node = |(node, lease): (&proto::model::NodeId, &proto::model::NodeLease)| {
            (network.id, lease.number, format!("node {}", node.short(6)))
        };
        network.nodes.iter().map(node)
    });
    tasks.chain(services).chain(nodes)
}
