//! What the nodes that take part in networks know of them, worked out once for a state.
//!
//! What has not changed since the tables before is shared with them, so that comparing what a node was
//! told with what it is to know looks at pointers.

#[cfg(test)]
mod tests;

use super::{data_path, present_networks_of};
use crate::{
    ports,
    state::{Holder, State},
};
use proto::model::{
    DesiredState, EndpointState, Name, Network, NetworkEndpoint, NetworkId, NetworkInfo, NetworkPeer,
    NetworkService, NetworkUpdate, NodeId, NodeLease, NodeState, PortMode, PublishedPort, Service, ServiceId,
    Task, TaskId, TaskState,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The tables of all networks, as a state has them.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// The state's version.
    version: u64,
    networks: BTreeMap<NetworkId, Arc<Table>>,
    /// The networks that each node takes part in.
    of_nodes: BTreeMap<NodeId, BTreeSet<NetworkId>>,
}

/// What is known of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    info: NetworkInfo,
    peers: BTreeMap<NodeId, Arc<NetworkPeer>>,
    services: BTreeMap<ServiceId, Arc<NetworkService>>,
    /// The tasks that drain while others of their service serve, and where they are.
    draining: BTreeMap<TaskId, NodeId>,
}

/// A task that is to be stopped while others of its service can take its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Where it runs.
    pub node: NodeId,
    /// The nodes that may send connections to it, and in which network.
    pub balancers: BTreeSet<(NodeId, NetworkId)>,
}

impl Tables {
    /// The tables of a state that comes after the one these are of. Only networks that something has
    /// changed in since are looked at.
    pub fn next(&self, state: &State) -> Self {
        let mut next = Self { version: state.version(), ..Self::default() };
        let is_later = state.version() >= self.version;
        let mut of_state = None;
        for network in state.networks() {
            if network.nodes.is_empty() && network.spec.kind.has_routers() {
                continue;
            }
            let before = self.networks.get(&network.id);
            let is_unchanged = is_later && state.network_changed_at(network.id) <= self.version;
            let table = match before {
                Some(before) if is_unchanged => before.clone(),
                _ => {
                    let users = of_state.get_or_insert_with(|| users(state));
                    let users = users.get(&network.id).map_or(&[][..], Vec::as_slice);
                    let table = Table::of(state, network, users, before.map(AsRef::as_ref));
                    // Shared even so: what has changed may make no difference to the nodes.
                    before.filter(|before| ***before == table).cloned().unwrap_or_else(|| Arc::new(table))
                }
            };
            for &node in table.peers.keys() {
                next.of_nodes.entry(node).or_default().insert(network.id);
            }
            next.networks.insert(network.id, table);
        }
        next
    }

    /// The version of the state that these are the tables of.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The networks that a node takes part in.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = (NetworkId, &Arc<Table>)> {
        let networks = self.of_nodes.get(&node).into_iter().flatten();
        networks.filter_map(|&id| Some((id, self.networks.get(&id)?)))
    }

    /// The tasks that drain.
    pub fn draining(&self) -> BTreeMap<TaskId, Drained> {
        let mut all: BTreeMap<TaskId, Drained> = BTreeMap::new();
        for (&network, table) in &self.networks {
            for (&task, &node) in &table.draining {
                let drained = all.entry(task).or_insert_with(|| Drained { node, balancers: BTreeSet::new() });
                drained.balancers.extend(table.peers.keys().map(|&peer| (peer, network)));
            }
        }
        all
    }

    /// The nodes that have to be told something, knowing these tables and not the ones before.
    pub fn concerned(&self, before: &Tables) -> BTreeSet<NodeId> {
        let ids: BTreeSet<_> = self.networks.keys().chain(before.networks.keys()).collect();
        let mut nodes = BTreeSet::new();
        for id in ids {
            let (then, now) = (before.networks.get(id), self.networks.get(id));
            if then.map(Arc::as_ptr) != now.map(Arc::as_ptr) {
                nodes.extend(then.into_iter().chain(now).flat_map(|table| table.peers.keys()));
            }
        }
        nodes
    }
}

impl Table {
    fn of(state: &State, network: &Network, users: &[&Service], before: Option<&Table>) -> Self {
        let (mut endpoints, mut singles) = (Endpoints::new(), BTreeMap::<NodeId, BTreeSet<u32>>::new());
        let mut by_hand = BTreeMap::<ServiceId, BTreeMap<TaskId, BTreeSet<Name>>>::new();
        let mut nodes = network.nodes.clone();
        for (number, holder) in state.held_in(network.id) {
            let Holder::Task(id) = holder else { continue };
            let Some(task) = state.task(id) else { continue };
            let Some(node) = task.node else { continue };
            let connection = task.connection(network.id);
            let is_leaving = connection.is_some_and(|connection| connection.leaving);
            if !network.spec.kind.has_routers() {
                // The node keeps its part until it has let go of the container.
                nodes.entry(node).or_insert_with(|| only_gateway(network));
            } else if !is_leaving && !network.nodes.get(&node).is_some_and(|lease| lease.holds(number)) {
                singles.entry(node).or_default().insert(number);
            }
            match connection {
                // Nobody is to find it any more, though it holds its number until its node has let go of it.
                Some(connection) if connection.leaving => continue,
                Some(connection) => {
                    let of_service = by_hand.entry(task.service).or_default();
                    of_service.insert(id, connection.aliases.clone());
                }
                None => {}
            }
            let endpoint = endpoint(state, task, node, number);
            endpoints.entry(task.service).or_default().insert(id, endpoint);
        }
        let peers = nodes.iter().filter_map(|(&id, lease)| {
            let data_path = data_path(state.node(id)?)?;
            let singles = singles.remove(&id).unwrap_or_default();
            let peer = NetworkPeer { node: id, data_path, lease: lease.clone(), singles };
            Some((id, shared(before.and_then(|before| before.peers.get(&id)), peer)))
        });
        let peers = peers.collect();
        // A service that leaves the network is in it as long as one of its tasks is.
        let leaving: Vec<&Service> =
            endpoints.keys().filter_map(|&id| state.service(id)).map(|service| &**service).collect();
        let mut services = BTreeMap::new();
        for service in users.iter().copied().chain(leaving).filter(|service| !service.removing) {
            if services.contains_key(&service.id) {
                continue;
            }
            let endpoints = endpoints.remove(&service.id).unwrap_or_default();
            let by_hand = by_hand.remove(&service.id).unwrap_or_default();
            let entry = NetworkService { by_hand, ..entry(network, service, endpoints) };
            let known = before.and_then(|before| before.services.get(&service.id));
            services.insert(service.id, shared(known, entry));
        }
        let draining = services.values().flat_map(|service| draining(service)).collect();
        Self { info: network.info(), peers, services, draining }
    }

    /// All of it, for a node that knows nothing of the network.
    pub fn in_full(&self, node: NodeId) -> NetworkUpdate {
        let update = NetworkUpdate {
            full: true,
            info: self.info.clone(),
            put_peers: self.peers.values().map(|peer| NetworkPeer::clone(peer)).collect(),
            remove_peers: Vec::new(),
            put_services: self.services.values().map(|service| NetworkService::clone(service)).collect(),
            remove_services: Vec::new(),
        };
        only_for(node, update)
    }

    /// What is different for a node that knows the table before.
    pub fn since(&self, before: &Table, node: NodeId) -> NetworkUpdate {
        let (put_peers, remove_peers) = difference(&before.peers, &self.peers);
        let (put_services, remove_services) = difference(&before.services, &self.services);
        let info = self.info.clone();
        let update =
            NetworkUpdate { full: false, info, put_peers, remove_peers, put_services, remove_services };
        only_for(node, update)
    }
}

/// Leaves out what is none of a node's business: in a network without routers it need not find the other nodes, and in one
/// that each node has for itself their tasks either.
fn only_for(node: NodeId, mut update: NetworkUpdate) -> NetworkUpdate {
    if !update.info.kind.has_routers() {
        update.put_peers.retain(|peer| peer.node == node);
    }
    if update.info.kind.is_local() {
        for service in &mut update.put_services {
            service.endpoints.retain(|_, endpoint| endpoint.node == node);
        }
    }
    update
}

/// What a node holds of a network in which it has no router of its own: the gateway's number, for what it says itself.
fn only_gateway(network: &Network) -> NodeLease {
    let first = u32::from(network.ipv4.subnet.network());
    NodeLease { number: u32::from(network.ipv4.gateway) - first, blocks: BTreeSet::new() }
}

type Endpoints = BTreeMap<ServiceId, BTreeMap<TaskId, NetworkEndpoint>>;

/// The services of each network: those that attach to it, or publish a port through it. One that is
/// being removed has given its name up, and is in none.
fn users(state: &State) -> BTreeMap<NetworkId, Vec<&Service>> {
    let mut users: BTreeMap<NetworkId, Vec<&Service>> = BTreeMap::new();
    for service in state.services().filter(|service| !service.removing) {
        for network in present_networks_of(state, &service.spec) {
            users.entry(network.id).or_default().push(service);
        }
    }
    users
}

fn entry(
    network: &Network,
    service: &Service,
    endpoints: BTreeMap<TaskId, NetworkEndpoint>,
) -> NetworkService {
    let attachment = service.spec.task.attachments.iter().find(|it| it.network == network.id);
    // Elsewhere they are what the service's name tells of its ports.
    let is_told = |port: &PublishedPort| !network.spec.ingress || port.mode == PortMode::Ingress;
    NetworkService {
        id: service.id,
        name: service.spec.name.clone(),
        aliases: attachment.map_or_else(BTreeSet::new, |it| it.aliases.clone()),
        vip: service.vips.get(&network.id).copied(),
        ports: ports::published(service).filter(is_told).collect(),
        endpoints,
        by_hand: BTreeMap::new(),
    }
}

fn endpoint(state: &State, task: &Task, node: NodeId, number: u32) -> NetworkEndpoint {
    let is_there = state.node(node).is_some_and(|node| node.status.state != NodeState::Down);
    let state = match task.desired {
        _ if task.status.state != TaskState::Running || !is_there => EndpointState::Idle,
        DesiredState::Ready | DesiredState::Running if task.status.is_ready() => EndpointState::Serving,
        _ => EndpointState::Draining,
    };
    NetworkEndpoint { slot: task.slot, number, node, state }
}

/// The tasks of a service that drain, if another one serves.
fn draining(service: &NetworkService) -> impl Iterator<Item = (TaskId, NodeId)> {
    let is_served = service.endpoints.values().any(NetworkEndpoint::serves);
    let drains = move |endpoint: &NetworkEndpoint| is_served && endpoint.state == EndpointState::Draining;
    let endpoints = service.endpoints.iter().filter(move |(_, endpoint)| drains(endpoint));
    endpoints.map(|(&task, endpoint)| (task, endpoint.node))
}

/// What was there before, if it is the same.
fn shared<T: PartialEq>(before: Option<&Arc<T>>, now: T) -> Arc<T> {
    match before {
        Some(before) if **before == now => before.clone(),
        _ => Arc::new(now),
    }
}

/// What is new or different, and what is gone.
fn difference<K: Ord + Copy, V: Clone>(
    before: &BTreeMap<K, Arc<V>>,
    now: &BTreeMap<K, Arc<V>>,
) -> (Vec<V>, Vec<K>) {
    let is_known = |key: &K, value: &Arc<V>| before.get(key).is_some_and(|known| Arc::ptr_eq(known, value));
    let put = now.iter().filter(|(key, value)| !is_known(key, value)).map(|(_, value)| V::clone(value));
    (put.collect(), before.keys().filter(|key| !now.contains_key(key)).copied().collect())
}
