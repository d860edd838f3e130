//! Networks that a container which runs is connected to, or disconnected from.

use super::{
    connection::{ConnectError, networks_of, open_name_server},
    node::{Node, blocking},
};
use crate::{networks::NetworkFault, task_files::NameLookup};
use futures::future::try_join_all;
use proto::model::{NetworkId, Task, TaskConnection};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use worker_network::{Attachment, Interface};

/// Waits until the networks that a task was connected to can be used. It may be dropped.
pub(super) async fn await_connections(node: &Node, task: &Task) -> Result<(), NetworkFault> {
    let wanted = wanted(task).map(|connection| node.networks.ready(connection.network));
    try_join_all(wanted).await.map(drop)
}

/// Makes a container that runs have an interface in each network of its task and in no other, and know the
/// names there. What is so already stays as it is. It is not to be dropped before it is done.
pub(super) async fn reconnect(node: &Arc<Node>, task: &Task) -> Result<(), ConnectError> {
    let overlays = node.network.overlays();
    let leaving = |network| task.connection(network).is_some_and(|connection| connection.leaving);
    let numbers: BTreeMap<NetworkId, u32> = task
        .addresses
        .iter()
        .filter(|held| !leaving(held.network))
        .map(|held| (held.network, held.number))
        .collect();
    let mut joined = BTreeMap::new();
    for network in overlays.list() {
        let Some(held) = overlays.containers(network).await.remove(&task.id) else { continue };
        if numbers.get(&network) == Some(&held.number) {
            joined.insert(network, held.interface);
        } else {
            overlays.leave(task.id, network).await?;
        }
    }
    // A task that was given a network of its own has an attachment for as long as its container runs.
    let Some(attachment) = node.network.attachment(&task.id.to_string()) else { return Ok(()) };
    let missing: Vec<NetworkId> =
        wanted(task).map(|it| it.network).filter(|network| !joined.contains_key(network)).collect();
    for network in missing {
        let number = *numbers.get(&network).ok_or(ConnectError::NoAddress(network))?;
        let taken = interfaces_of_service(task, &attachment).chain(joined.values().copied());
        let interface = free_interface(&attachment, taken)?;
        overlays.join(task.id, network, number, interface).await?;
        joined.insert(network, interface);
    }
    name(node, task, &attachment).await
}

/// The connections that a task is to have.
fn wanted(task: &Task) -> impl Iterator<Item = &TaskConnection> {
    task.connections.iter().filter(|connection| !connection.leaving)
}

/// The interfaces in the networks that a task's service names: the first ones, for as long as its container runs. Not
/// all of them are of networks that are looked through here.
fn interfaces_of_service(task: &Task, attachment: &Attachment) -> impl Iterator<Item = Interface> {
    (first_interface(attachment)..=u8::MAX).take(task.spec.task.attachments.len()).map(Interface)
}

/// The number of the first interface that is not the node's own network's.
fn first_interface(attachment: &Attachment) -> u8 {
    u8::from(!attachment.addresses.is_empty())
}

/// The lowest interface that a container does not have.
fn free_interface(
    attachment: &Attachment,
    taken: impl Iterator<Item = Interface>,
) -> Result<Interface, ConnectError> {
    let taken: BTreeSet<u8> = taken.map(|interface| interface.0).collect();
    let free = (first_interface(attachment)..=u8::MAX).find(|number| !taken.contains(number));
    free.map(Interface).ok_or(ConnectError::TooMany(taken.len() + 1))
}

/// Has the names of a container's networks answered in it; one that is in none any more asks the node's
/// servers again, as it did at first.
async fn name(node: &Arc<Node>, task: &Task, attachment: &Attachment) -> Result<(), ConnectError> {
    let networks = networks_of(task);
    let (files, id, is_named) = (node.files.clone(), task.id, !networks.is_empty());
    let names = NameLookup { has_own_server: is_named, dns: task.spec.task.container.dns.clone() };
    if is_named && node.name_servers.change(id, &networks, &node.networks) {
        return Ok(());
    }
    if is_named {
        open_name_server(node, task, attachment).await?;
    }
    blocking(move || files.write_resolv_conf(id, &names)).await?;
    if !is_named {
        node.name_servers.close(id).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use worker_network::Access;

    #[test]
    fn a_new_network_takes_the_lowest_interface_that_is_free() {
        let outside = "10.0.0.2".parse().unwrap();
        let address =
            worker_core::network::InterfaceAddress { address: outside, prefix: 24, gateway: outside };
        let attachment = |addresses| Attachment {
            task: String::new(),
            netns: "/".into(),
            addresses,
            access: Access::default(),
            has_other_way_out: false,
        };
        let free = |addresses, taken: &[u8]| {
            let taken = taken.iter().copied().map(Interface);
            free_interface(&attachment(addresses), taken).map(|interface| interface.to_string())
        };
        assert_eq!(free(vec![address.clone()], &[1, 3]).unwrap(), "eth2");
        assert_eq!(free(vec![], &[]).unwrap(), "eth0");
        let all: Vec<u8> = (1..=u8::MAX).collect();
        assert!(matches!(free(vec![address], &all), Err(ConnectError::TooMany(256))));
    }
}
