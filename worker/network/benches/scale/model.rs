//! A network as the managers would tell of it: services with their tasks on many nodes, of which one is the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proto::model::{
    BLOCK_SIZE, EndpointState, Id, Ipv4Pool, NetworkEndpoint, NetworkId, NetworkInfo, NetworkPeer,
    NetworkService, NetworkUpdate, NodeId, NodeLease, ServiceId, SlotKey, TaskId,
};
use worker_core::tables::Told;

pub const NETWORK: NetworkId = Id::from_bits(0x5ca1e);

/// The number of the first node's router; the others' follow.
const FIRST_ROUTER: u32 = 2;
/// Routers' numbers after a node was made anew.
const FIRST_NEW_ROUTER: u32 = 0x10_0000;
/// The first block of containers' numbers.
const FIRST_BLOCK: u32 = 0x2000;
/// Numbers outside of all blocks.
const FIRST_SINGLE: u32 = 0x80_0000;
/// The number of the first virtual address.
const FIRST_VIP: u32 = 0xc0_0000;

/// A node of the network; the first is the real one.
pub struct Node {
    pub id: NodeId,
    pub data_path: IpAddr,
    pub router: u32,
    pub blocks: BTreeSet<u32>,
    pub singles: BTreeSet<u32>,
    free: Vec<u32>,
}

/// All of a network.
pub struct Model {
    pub nodes: Vec<Node>,
    pub services: Vec<NetworkService>,
    of_id: BTreeMap<NodeId, usize>,
    next_task: u32,
    next_router: u32,
    next_single: u32,
    random: u64,
}

impl Model {
    /// Spreads the tasks of services over nodes; half of each node's block numbers stay free.
    pub fn new(nodes: usize, services: u32, tasks: u32) -> Self {
        let each = 1 + services * tasks / nodes as u32;
        let blocks = (each * 2).div_ceil(BLOCK_SIZE);
        let nodes: Vec<Node> = (0..nodes as u32).map(|index| Node::new(index, blocks)).collect();
        let mut model = Self {
            of_id: nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect(),
            nodes,
            services: Vec::new(),
            next_task: 0,
            next_router: FIRST_NEW_ROUTER,
            next_single: FIRST_SINGLE,
            random: 0x9e37_79b9_7f4a_7c15,
        };
        for index in 0..services {
            let endpoints =
                (0..tasks).map(|slot| model.task((index * tasks + slot) as usize, slot + 1)).collect();
            model.services.push(service(index, endpoints));
        }
        model
    }

    pub fn info() -> NetworkInfo {
        let subnet = "10.0.0.0/8".parse().expect("a subnet");
        NetworkInfo {
            id: NETWORK,
            name: "scale".parse().expect("a name"),
            vni: 7000,
            ipv4: Ipv4Pool { subnet, gateway: Ipv4Addr::new(10, 0, 0, 1), range: subnet },
            ipv6: None,
            mtu: Some(1400),
            internal: false,
            ingress: false,
            kind: Default::default(),
        }
    }

    /// All of it, as a node is told at first.
    pub fn whole(&self) -> Told {
        let update = NetworkUpdate {
            full: true,
            put_peers: self.nodes.iter().map(Node::peer).collect(),
            put_services: self.services.clone(),
            ..nothing()
        };
        Told { full: true, updates: vec![update], remove: Vec::new() }
    }

    /// The next task of a service, or one task more, begins on a node.
    pub fn add_task(&mut self, service: usize, node: usize) -> Told {
        let slot = self.services[service].endpoints.len() as u32 + 1;
        let (task, endpoint) = self.task(node, slot);
        self.services[service].endpoints.insert(task, endpoint);
        self.told([service], [])
    }

    /// A task of a service ends.
    pub fn remove_task(&mut self, service: usize) -> Told {
        let Some((_, gone)) = self.services[service].endpoints.pop_first() else { return self.told([], []) };
        let node = self.give_back(&gone);
        self.told([service], node)
    }

    /// A task of a service goes to another node: its replacement has another id and another number.
    pub fn move_task(&mut self, service: usize, to: usize) -> Told {
        let Some((_, gone)) = self.services[service].endpoints.pop_first() else { return self.told([], []) };
        let changed = self.give_back(&gone);
        let SlotKey::Replica(slot) = gone.slot else { return self.told([service], changed) };
        let (task, endpoint) = self.task(to, slot);
        self.services[service].endpoints.insert(task, endpoint);
        self.told([service], changed)
    }

    /// Something happens: mostly a task moves, sometimes with a number outside of its node's blocks, and sometimes a node
    /// is made anew, with another number and another address.
    pub fn anything(&mut self) -> Told {
        let (service, to) = (self.pick(self.services.len()), self.pick(self.nodes.len()));
        match self.pick(32) {
            0 if to > 0 => {
                self.next_router += 1;
                self.nodes[to].router = self.next_router;
                self.nodes[to].data_path = data_path(self.next_router);
                self.told([], [to])
            }
            1..8 if to > 0 => {
                self.next_single += 1;
                let number = self.next_single;
                self.nodes[to].singles.insert(number);
                self.nodes[to].free.push(number);
                let told = self.move_task(service, to);
                merged(told, self.told([], [to]))
            }
            _ => self.move_task(service, to),
        }
    }

    /// The addresses of a service's tasks, in their order.
    pub fn backends(&self, service: usize) -> BTreeSet<IpAddr> {
        let numbers = self.services[service].endpoints.values().map(|endpoint| endpoint.number);
        numbers.map(|number| Self::info().ipv4_address(number).into()).collect()
    }

    fn task(&mut self, place: usize, slot: u32) -> (TaskId, NetworkEndpoint) {
        let at = place % self.nodes.len();
        self.next_task += 1;
        let node = &mut self.nodes[at];
        let number = node.take_number().expect("a node has more numbers than tasks");
        let state = EndpointState::Serving;
        let endpoint = NetworkEndpoint { slot: SlotKey::Replica(slot), number, node: node.id, state };
        (Id::from_bits(u128::from(self.next_task) << 64), endpoint)
    }

    /// Takes a task's number back; names the node if it is told of that.
    fn give_back(&mut self, gone: &NetworkEndpoint) -> Option<usize> {
        let at = self.of_id[&gone.node];
        let node = &mut self.nodes[at];
        if node.singles.remove(&gone.number) {
            return Some(at);
        }
        node.free.insert(0, gone.number);
        None
    }

    fn told(
        &self,
        services: impl IntoIterator<Item = usize>,
        nodes: impl IntoIterator<Item = usize>,
    ) -> Told {
        let update = NetworkUpdate {
            put_peers: nodes.into_iter().map(|node| self.nodes[node].peer()).collect(),
            put_services: services.into_iter().map(|service| self.services[service].clone()).collect(),
            ..nothing()
        };
        Told { full: false, updates: vec![update], remove: Vec::new() }
    }

    /// A number below another, the same ones in every run (xorshift64).
    fn pick(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below as u64) as usize
    }
}

impl Node {
    fn new(index: u32, blocks: u32) -> Self {
        let first = FIRST_BLOCK + index * blocks;
        let blocks: BTreeSet<u32> = (first..first + blocks).collect();
        let numbers = |block: &u32| block * BLOCK_SIZE..(block + 1) * BLOCK_SIZE;
        Self {
            id: Id::from_bits(u128::MAX / 3 - (u128::from(index) << 90)),
            data_path: data_path(index),
            router: FIRST_ROUTER + index,
            free: blocks.iter().rev().flat_map(|block| numbers(block).rev()).collect(),
            blocks,
            singles: BTreeSet::new(),
        }
    }

    /// Takes a number for a container.
    pub fn take_number(&mut self) -> Option<u32> {
        self.free.pop()
    }

    pub fn peer(&self) -> NetworkPeer {
        let lease = NodeLease { number: self.router, blocks: self.blocks.clone() };
        NetworkPeer { node: self.id, data_path: self.data_path, lease, singles: self.singles.clone() }
    }
}

/// Where a node is reached: a range for benchmarks (RFC 2544).
pub fn data_path(index: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + index % 0x1_0000).into()
}

fn service(index: u32, endpoints: BTreeMap<TaskId, NetworkEndpoint>) -> NetworkService {
    NetworkService {
        id: ServiceId::from_bits(u128::from(index) + 1),
        name: format!("service{index}").parse().expect("a name"),
        aliases: BTreeSet::new(),
        vip: Some(FIRST_VIP + index),
        ports: Vec::new(),
        endpoints,
        by_hand: BTreeMap::new(),
    }
}

fn nothing() -> NetworkUpdate {
    NetworkUpdate {
        full: false,
        info: Model::info(),
        put_peers: Vec::new(),
        remove_peers: Vec::new(),
        put_services: Vec::new(),
        remove_services: Vec::new(),
    }
}

/// Two changes in one message, the later one's node counting.
fn merged(mut told: Told, more: Told) -> Told {
    for (update, more) in told.updates.iter_mut().zip(more.updates) {
        update.put_peers.retain(|peer| more.put_peers.iter().all(|later| later.node != peer.node));
        update.put_peers.extend(more.put_peers);
    }
    told
}
