//! Three hosts joined by a bridge, all in namespaces bound below a temporary folder, removed with it.

use std::net::{IpAddr, SocketAddr};

use proto::model::{
    EndpointState, Ipv4Pool, Ipv6Pool, NetworkEndpoint, NetworkId, NetworkInfo, NetworkPeer, NetworkService,
    NetworkTable, NodeId, NodeLease, ServiceId, SlotKey, TaskId,
};
use tempfile::TempDir;
use worker_network::{Interface, Namespace, Network, NetworkConfig, OverlayError};

use crate::world::{adopted, ip, run, sysctl, unbind_below};

/// The MTU between the hosts, in bytes.
pub const MTU: u32 = 1500;

/// The number of the service's virtual address.
pub const VIP: u32 = 200;

pub struct Cluster {
    pub hosts: Vec<Host>,
    lan: Namespace,
    folder: TempDir,
}

pub struct Host {
    pub namespace: Namespace,
    pub network: Option<Network>,
    pub config: NetworkConfig,
}

/// A container of the network, `eth0` being its only link.
pub struct Member {
    pub host: usize,
    pub task: TaskId,
    pub number: u32,
    pub namespace: Namespace,
}

/// The node on the host with this index, whose block is `index + 1`.
pub fn node(host: usize) -> NodeId {
    NodeId::from_bits(u128::MAX / 3 - ((host as u128) << 90))
}

impl Cluster {
    pub async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("shoal-overlay-").tempdir().unwrap();
        let lan = Namespace::create(&folder.path().join("lan")).await.unwrap();
        ip(&lan, "link add bridge type bridge").await;
        ip(&lan, "link set bridge up").await;
        let mut cluster = Self { hosts: Vec::new(), lan, folder };
        for index in 0..3 {
            let host = cluster.host(index).await;
            cluster.hosts.push(host);
        }
        cluster
    }

    /// Joins a machine to the hosts' network that is none of the cluster's; its address is that of a host of this index.
    pub async fn outsider(&self, index: usize) -> Namespace {
        self.machine(index).await
    }

    async fn host(&self, index: usize) -> Host {
        let namespace = self.machine(index).await;
        let mut config =
            NetworkConfig::new(node(index).to_string(), self.folder.path().join(format!("run{index}")));
        config.host_netns = Some(namespace.path().to_owned());
        let network = Some(Network::open(config.clone(), Vec::new()).await.unwrap().network);
        Host { namespace, network, config }
    }

    async fn machine(&self, index: usize) -> Namespace {
        let (lan, path) = (&self.lan, self.folder.path().join(format!("host{index}")));
        let namespace = Namespace::create(&path).await.unwrap();
        let add = format!(
            "link add port{index} mtu {MTU} type veth peer name lan0 mtu {MTU} netns {}",
            path.display()
        );
        ip(lan, &add).await;
        sysctl(&namespace, "ipv6/conf/lan0/accept_dad", "0").await;
        ip(lan, &format!("link set port{index} master bridge up")).await;
        ip(&namespace, "link set lo up").await;
        ip(&namespace, "link set lan0 up").await;
        for address in [data_path(index, false), data_path(index, true)] {
            let prefix = if address.is_ipv4() { 24 } else { 64 };
            ip(&namespace, &format!("address add {address}/{prefix} dev lan0")).await;
        }
        namespace
    }

    /// Tells every host of a network.
    pub async fn apply(&self, table: &NetworkTable) {
        for host in &self.hosts {
            host.network().overlays().apply(table).await.unwrap();
        }
    }

    /// Starts a container with this number on a host.
    pub async fn member(&self, table: &NetworkTable, host: usize, number: u32) -> Member {
        let task = task(table, number);
        let network = self.hosts[host].network();
        let attachment = network.none(&task.to_string()).await.unwrap();
        network.overlays().join(task, table.info.id, number, Interface(0)).await.unwrap();
        Member { host, task, number, namespace: Namespace::open(&attachment.netns).unwrap() }
    }

    /// Starts one container on each host, with the first number of its block.
    pub async fn members(&self, table: &NetworkTable) -> [Member; 3] {
        [self.member(table, 0, 16).await, self.member(table, 1, 32).await, self.member(table, 2, 48).await]
    }

    /// Makes a service of containers, the others being there but serving nobody, and tells every host.
    pub async fn serve(&self, table: &mut NetworkTable, members: &[&Member], serving: &[&Member]) {
        put_service(table, members, serving);
        self.apply(table).await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        unbind_below(self.folder.path());
    }
}

impl Host {
    pub fn network(&self) -> &Network {
        self.network.as_ref().unwrap()
    }

    /// Restarts the daemon, which remembers its containers and no network.
    pub async fn restart(&mut self) {
        let held = self.network().attachments().into_iter();
        let held = held.map(|attachment| adopted(attachment, Vec::new())).collect();
        drop(self.network.take());
        self.network = Some(Network::open(self.config.clone(), held).await.unwrap().network);
    }

    pub async fn apply(&self, table: &NetworkTable) -> Result<bool, OverlayError> {
        self.network().overlays().apply(table).await
    }

    pub async fn sandbox(&self, table: &NetworkTable) -> Namespace {
        self.network().overlays().sandbox(table.info.id).await.unwrap()
    }

    /// All that the kernel holds of a network here, as text.
    pub async fn dump(&self, table: &NetworkTable) -> String {
        let sandbox = self.sandbox(table).await;
        let mut dump = String::new();
        for command in [
            "ip -d -o link show",
            "ip -o address show",
            "ip -4 route show table all",
            "ip -6 route show table all",
            "ip neighbour show nud permanent",
            "bridge fdb show dev vx0",
            "nft list ruleset",
        ] {
            let text = run(&sandbox, command).await;
            let mut lines: Vec<_> = text.lines().collect();
            lines.sort_unstable();
            dump.push_str(&format!("== {command}\n{}\n", lines.join("\n")));
        }
        dump
    }
}

impl Member {
    /// Its addresses with a port, IPv4 first.
    pub fn sockets(&self, table: &NetworkTable, port: u16) -> Vec<SocketAddr> {
        sockets(table, self.number, port)
    }
}

/// The addresses of a number with a port, IPv4 first.
pub fn sockets(table: &NetworkTable, number: u32, port: u16) -> Vec<SocketAddr> {
    table.info.addresses(number).map(|address| SocketAddr::new(address, port)).collect()
}

/// The address of a host.
pub fn data_path(host: usize, ipv6: bool) -> IpAddr {
    let text = if ipv6 { format!("2001:db8:1::{}", host + 1) } else { format!("192.0.2.{}", host + 1) };
    text.parse().unwrap()
}

/// The network with this index, in which all three hosts take part; its VXLAN number is `4096 + index`.
pub fn table(index: u8) -> NetworkTable {
    let subnet = format!("10.0.{index}.0/24").parse().unwrap();
    let info = NetworkInfo {
        id: NetworkId::from_bits(u128::from(index)),
        name: format!("network{index}").parse().unwrap(),
        vni: 4096 + u32::from(index),
        ipv4: Ipv4Pool { subnet, gateway: format!("10.0.{index}.1").parse().unwrap(), range: subnet },
        ipv6: Some(Ipv6Pool {
            subnet: format!("fd00:{index}::/64").parse().unwrap(),
            gateway: format!("fd00:{index}::1").parse().unwrap(),
        }),
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    };
    let mut table = NetworkTable::new(info);
    for host in 0..3 {
        let index = host as u32;
        let lease = NodeLease { number: 2 + index, blocks: [1 + index].into() };
        let peer =
            NetworkPeer { node: node(host), data_path: data_path(host, false), lease, singles: [].into() };
        table.peers.insert_mut(peer.node, peer);
    }
    table
}

/// The task whose container has a number in a network.
pub fn task(table: &NetworkTable, number: u32) -> TaskId {
    TaskId::from_bits((u128::from(table.info.vni) << 100) + (u128::from(number) << 70))
}

pub fn put_service(table: &mut NetworkTable, members: &[&Member], serving: &[&Member]) {
    let endpoint = |member: &&Member| {
        let serves = serving.iter().any(|other| other.task == member.task);
        let state = if serves { EndpointState::Serving } else { EndpointState::Idle };
        let slot = SlotKey::Replica(member.number);
        (member.task, NetworkEndpoint { slot, number: member.number, node: node(member.host), state })
    };
    let service = NetworkService {
        id: ServiceId::from_bits(1),
        name: "web".parse().unwrap(),
        aliases: [].into(),
        vip: Some(VIP),
        ports: Vec::new(),
        endpoints: members.iter().map(endpoint).collect(),
        by_hand: Default::default(),
    };
    table.services.insert_mut(service.id, service);
}
