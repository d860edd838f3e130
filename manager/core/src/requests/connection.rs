//! Connecting one task to a network its service is not in, and disconnecting it.

use super::aliases::{self, AliasError};
use crate::{
    allocator::no_free_address,
    ipam::Numbers,
    networks::hidden_by,
    orchestrator::slots::holds_node,
    state::{Change, Expect, ObjectId, State, Transaction},
};
use proto::model::{
    DesiredState, Name, Network, NetworkAddress, NetworkKind, NodeId, Task, TaskConnection, TaskNetwork,
    TaskState,
};
use std::{collections::BTreeSet, net::IpAddr};

/// Says why a task can't be connected or disconnected as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// It has no container that runs.
    #[error(
        "task `{task}` does not run (it is {state}): only a task that runs can be connected to a network"
    )]
    NotRunning {
        /// The task.
        task: String,
        /// How far it is.
        state: TaskState,
    },
    /// The network is for services only.
    #[error(
        "network `{0}` is not attachable, so that no single task can be connected to it: connect the task's service, or \
         create the network with --attachable"
    )]
    NotAttachable(String),
    /// It is for the traffic of published ports only.
    #[error(
        "network `{0}` carries the published ports, nothing can be connected to it: publish a port instead"
    )]
    Ingress(String),
    /// It is on a link of the nodes.
    #[error(
        "network `{0}` is on a link of the nodes, and a container that runs can't be put on one: connect the task's \
         service, all tasks of which are replaced then"
    )]
    OnLink(String),
    /// A name is another's.
    #[error("--alias: {0}")]
    Alias(#[from] AliasError),
    /// It has no network of its own that another could be added to.
    #[error(
        "task `{0}` uses the network of its host, or none: only tasks with a network of their own can be connected to \
         another one"
    )]
    NoOwnNetwork(String),
    /// It is in the network.
    #[error("task `{task}` is in network `{network}` already")]
    Connected {
        /// The task.
        task: String,
        /// The network.
        network: String,
    },
    /// It was told to leave, and its node has not done so yet.
    #[error(
        "task `{task}` is just being disconnected from network `{network}`: try again in a moment, or if its node does \
         not answer, disconnect it with --force"
    )]
    Leaving {
        /// The task.
        task: String,
        /// The network.
        network: String,
    },
    /// It is not in the network.
    #[error("task `{task}` is not in network `{network}`")]
    NotConnected {
        /// The task.
        task: String,
        /// The network.
        network: String,
    },
    /// It is in the network like all tasks of its service.
    #[error(
        "task `{task}` is in network `{network}` because its service is: disconnect the service `{service}`, all tasks of \
         which are replaced then"
    )]
    ByService {
        /// The task.
        task: String,
        /// The network.
        network: String,
        /// The service.
        service: String,
    },
    /// The network is used up.
    #[error("{0}")]
    NoFreeAddress(String),
    /// The network hides the task's node.
    #[error(
        "node {node} has the address {addr}, which lies in the subnet of network `{network}`: change it, or create the \
         network with another --subnet"
    )]
    NodeHidden {
        /// The node.
        node: NodeId,
        /// Its address.
        addr: IpAddr,
        /// The network.
        network: String,
    },
}

/// Connects a task that runs to a network that is attachable.
pub fn connect(
    state: &State,
    task: &Task,
    network: &Network,
    names: BTreeSet<Name>,
) -> Result<Transaction, ConnectionError> {
    let named = || (task.name(), network.spec.name.to_string());
    if network.spec.ingress {
        return Err(ConnectionError::Ingress(network.spec.name.to_string()));
    }
    if matches!(network.spec.kind, NetworkKind::Macvlan(_)) {
        return Err(ConnectionError::OnLink(network.spec.name.to_string()));
    }
    if !network.spec.attachable {
        return Err(ConnectionError::NotAttachable(network.spec.name.to_string()));
    }
    if task.spec.task.network != TaskNetwork::Node {
        return Err(ConnectionError::NoOwnNetwork(task.name()));
    }
    let (task_name, network_name) = named();
    if task.connection(network.id).is_some_and(|connection| connection.leaving) {
        return Err(ConnectionError::Leaving { task: task_name, network: network_name });
    }
    if task.addresses.iter().any(|held| held.network == network.id) {
        return Err(ConnectionError::Connected { task: task_name, network: network_name });
    }
    let runs = task.status.state == TaskState::Running && task.desired == DesiredState::Running;
    let Some(node) = task.node.filter(|_| runs) else {
        return Err(ConnectionError::NotRunning { task: task_name, state: task.status.state });
    };
    if let Some(addr) = state.node(node).and_then(|node| hidden_by(network, node)) {
        return Err(ConnectionError::NodeHidden { node, addr, network: network_name });
    }
    aliases::check_aliases(state, network, &task.spec.name, &names)?;
    let placed = Numbers::of(state, network).place(node, &BTreeSet::new());
    let placed = placed.ok_or_else(|| ConnectionError::NoFreeAddress(no_free_address(network)))?;
    let lease =
        placed.lease.map(|lease| Change::SetNodeLease { network: network.id, node, lease: Some(lease) });
    let address = NetworkAddress { network: network.id, number: placed.number };
    let connection = Change::ConnectTask { task: task.id, address, aliases: names };
    Ok(Transaction { expect: expect(task), changes: lease.into_iter().chain([connection]).collect() })
}

/// Disconnects a task that was connected. With `force` its address is free at once, whatever its node does.
pub fn disconnect(task: &Task, network: &Network, force: bool) -> Result<Transaction, ConnectionError> {
    let (task_name, network_name) = (task.name(), network.spec.name.to_string());
    let is_in = task.addresses.iter().any(|held| held.network == network.id) && holds_node(task);
    match task.connection(network.id) {
        Some(TaskConnection { leaving: true, .. }) if !force => {
            Err(ConnectionError::Leaving { task: task_name, network: network_name })
        }
        Some(_) if is_in => {
            let change = Change::DisconnectTask { task: task.id, network: network.id, force };
            Ok(Transaction { expect: expect(task), changes: vec![change] })
        }
        None if is_in => Err(ConnectionError::ByService {
            task: task_name,
            network: network_name,
            service: task.spec.name.to_string(),
        }),
        Some(_) | None => Err(ConnectionError::NotConnected { task: task_name, network: network_name }),
    }
}

/// What was decided from it must still be so: its end, or another connection, may come first.
fn expect(task: &Task) -> Vec<Expect> {
    vec![Expect { object: ObjectId::Task(task.id), version: task.version }]
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
