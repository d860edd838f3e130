//! No number of a network is held twice, and a task holds one in each of its networks.

use super::{Broken, Kept, Step, containers::Containers, holds_node, named};
use manager_core::{networks::ingress, state::State};
use proto::model::{NetworkAddress, NetworkId, NetworkTable, Task, TaskState};
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

/// Looks at a container that is about to run anywhere, beside those that run. What is on a node that was given up for good
/// runs on with what it had.
pub(super) fn check_containers(containers: &Containers, task: &Task, state: &State) -> Kept {
    let is_counted = |other: &Task| {
        let held = state.task(other.id);
        held.is_some_and(|held| held.id != task.id && held.status.state != TaskState::Orphaned)
    };
    for running in containers.running().filter(|running| is_counted(&running.task)) {
        let has = |address: &&NetworkAddress| running.task.addresses.contains(address);
        // What it was connected to since is not what it was started with.
        if let Some(address) = task.addresses.iter().find(has).filter(|_| running.task.connections.is_empty())
        {
            let what = format!(
                "number {} of {} is wanted by {}, and had by {}",
                address.number,
                address.network.short(6),
                named(task),
                named(&running.task)
            );
            return Err(Broken::new(PROMISE, what));
        }
    }
    Ok(())
}

/// Looks at what a node is about to carry out: whoever has a number there has it alone.
pub fn check_table(node: &str, table: &NetworkTable) -> Kept {
    let endpoints = table.services.values().flat_map(|service| &service.endpoints);
    let endpoints = endpoints.map(|(task, endpoint)| (endpoint.number, format!("task {}", task.short(6))));
    let vips = table
        .services
        .values()
        .filter_map(|service| Some((service.vip?, format!("service {}", service.name))));
    let routers = table.peers.values().filter(|_| table.info.kind.has_routers());
    let routers = routers.map(|peer| (peer.lease.number, format!("node {}", peer.node.short(6))));
    let mut held: BTreeMap<u32, String> = BTreeMap::new();
    for (number, holder) in endpoints.chain(vips).chain(routers) {
        if let Some(other) = held.insert(number, holder.clone()) {
            let what = format!(
                "{node} knows number {number} of network {} as that of {holder}, and of {other}",
                table.info.name
            );
            return Err(Broken::new(PROMISE, what));
        }
    }
    let mut blocks = BTreeMap::new();
    for (node_of, block) in
        table.peers.values().flat_map(|peer| peer.lease.blocks.iter().map(|it| (peer.node, it)))
    {
        if let Some(other) = blocks.insert(*block, node_of) {
            let (one, other) = (node_of.short(6), other.short(6));
            let what = format!("{node} knows block {block} as that of node {one}, and of {other}");
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
