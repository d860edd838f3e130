//! What the ingress network's sandbox has besides: published ports, and the way back to clients that came in elsewhere.
//!
//! ```text
//!   client ── host A ──up0── sandbox A ══vx0══ sandbox B ──c<task>── container
//!             gate           which port? which backend?    the client's own address is the source all the way
//! ```
//!
//! A client keeps its address, so an answer does not say by itself through which node it has to go back. Sandbox B marks
//! the connection with the node it came from, which the hardware address of that node's tunnel tells. Answers are marked
//! likewise, which leads them to a router that does not exist, [`ANSWERS_MAC`]; as they leave by the tunnel that hardware
//! address is replaced by the marked node's. So one route serves any number of nodes. Each node's connections are tracked
//! in a zone of their own: two clients of one address and port may come in at two nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proto::model::{HostIp, NetworkEndpoint, NetworkService, NetworkTable, NodeId, PortMode, PortTraffic};

use super::balance::Tier;
use super::elements::{self, Elements};
use super::mac::Mac;
use super::names::{CONTAINER_LINKS, TUNNEL, UPLINK};
use super::rules::{NetChain, Side};
use super::sets::{Family, Set};
use super::state::Kernel;
use crate::network::nft_table::Table;
use crate::network::{Flow, Opening, PortKey, Protocol, Sought, UplinkAddresses};

/// What marks of answers have in common.
pub const ANSWER_MARK: u32 = 0x4000_0000;

/// The routing table for what has [`ANSWER_MARK`].
pub const ANSWERS_TABLE: u8 = 100;

/// The hardware address that stands for the node a client came in at; no tunnel has it, since no number is that large.
pub const ANSWERS_MAC: Mac = Mac([0x02, 0x73, 0xff, 0xff, 0xff, 0xff]);

/// The router that stands for it: the IPv4 dummy address (RFC 7600), which is never on the wire.
const ANSWERS_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// The same for IPv6.
const ANSWERS_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xff);

/// What IPv4 and TCP take of a packet, in bytes.
const HEADERS_IPV4: u32 = 40;

/// What IPv6 and TCP take of a packet, in bytes.
const HEADERS_IPV6: u32 = 60;

/// What the rules of the ingress network's sandbox depend on besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// The link to the host, which hands published ports to its far end.
    pub uplink: UplinkAddresses,
    /// The largest packet that the tunnel and the containers take, in bytes.
    pub mtu: u32,
    /// What is published.
    pub ports: BTreeMap<PortKey, Published>,
    /// The numbers of the other nodes' routers, where clients come in too.
    pub origins: BTreeSet<u32>,
}

/// Where a published port leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// At which of the host's addresses it is published; `None` is all of them.
    pub host_ip: Option<HostIp>,
    /// The sockets that this node sends new connections to.
    pub backends: BTreeSet<SocketAddr>,
    /// All sockets that serve: connections that go to one of them stay there.
    pub serving: BTreeSet<SocketAddr>,
}

/// Returns the mark of connections that came in at the node whose router has this number.
pub fn mark_of(router: u32) -> u32 {
    ANSWER_MARK | router
}

/// Collects the ports that a service publishes as `me` answers for them; those nobody serves are there too, so that they
/// are refused.
pub(super) fn ports(
    table: &NetworkTable,
    service: &NetworkService,
    me: NodeId,
    is_reached: impl Fn(NodeId) -> bool,
) -> BTreeMap<PortKey, Published> {
    let mut ports: BTreeMap<PortKey, Published> = BTreeMap::new();
    let serving = || service.endpoints.values().filter(|held| held.serves() && is_reached(held.node));
    let addresses = |held: &NetworkEndpoint| table.info.addresses(held.number);
    let all: Vec<IpAddr> = serving().flat_map(addresses).collect();
    let own: Vec<IpAddr> = serving().filter(|held| held.node == me).flat_map(addresses).collect();
    for port in service.ports.iter().filter(|port| port.mode == PortMode::Ingress) {
        let Some(published) = port.published else { continue };
        let socket = |address: &IpAddr| SocketAddr::new(*address, port.target.get());
        let chosen = match port.traffic {
            PortTraffic::LocalFirst if !own.is_empty() => &own,
            PortTraffic::LocalFirst | PortTraffic::Cluster => &all,
        };
        let entry = ports.entry(PortKey { protocol: port.protocol.into(), port: published }).or_default();
        entry.host_ip = port.host_ip;
        entry.backends.extend(chosen.iter().map(socket));
        entry.serving.extend(all.iter().map(socket));
    }
    ports
}

/// Adds the router that stands for the node a client came in at.
pub(super) fn add_answers(kernel: &mut Kernel, ipv6: bool) {
    let routers = [IpAddr::V4(ANSWERS_IPV4)].into_iter().chain(ipv6.then_some(ANSWERS_IPV6.into()));
    for router in routers {
        kernel.neighbours.insert(router, ANSWERS_MAC);
        kernel.answers.insert(router);
    }
}

/// Tells where connections to published ports are that go where they would not go any more.
pub(super) fn stale_flows(
    from: Option<&Mesh>,
    to: Option<&Mesh>,
    draining: &BTreeSet<IpAddr>,
) -> BTreeSet<Sought> {
    let (from, to) = match (from, to) {
        (None, None) => return BTreeSet::new(),
        (Some(from), Some(to)) => (from, to),
        (None, Some(_)) | (Some(_), None) => return [Sought::Any].into(),
    };
    let is_lost =
        |port, socket: &SocketAddr| !to.serving(port).contains(socket) && !draining.contains(&socket.ip());
    let lost = from.ports.iter().flat_map(|(port, known)| {
        let gone = known.serving.iter().filter(|socket| is_lost(port, socket));
        gone.map(|socket| Sought::AnsweredBy(socket.ip()))
    });
    // Messages that were refused go on to be, as long as their connection is known. One of TCP that was refused is not.
    let is_served_now = |port: &&PortKey| {
        port.protocol != Protocol::Tcp && from.serving(port).is_empty() && !to.serving(port).is_empty()
    };
    lost.chain(to.ports.keys().filter(is_served_now).map(|port| Sought::To(*port))).collect()
}

impl Mesh {
    /// Tells whether a connection to a published port goes to what serves no more, or is refused and would not be.
    pub fn is_stale(&self, flow: &Flow) -> bool {
        flow.is_misled_by_sandbox(self.uplink, |port| self.serving(&port))
    }

    /// Returns the host's side of what is published.
    pub fn openings(&self) -> impl Iterator<Item = Opening> {
        self.ports.iter().map(|(key, published)| Opening { key: *key, host_ip: published.host_ip })
    }

    fn serving(&self, port: &PortKey) -> &BTreeSet<SocketAddr> {
        const NONE: &BTreeSet<SocketAddr> = &BTreeSet::new();
        self.ports.get(port).map_or(NONE, |published| &published.serving)
    }

    pub(super) fn elements(&self, turn: u32) -> Elements {
        let elements = |(port, to): (&PortKey, &Published)| elements::of_port(*port, &to.backends, turn);
        let ports = self.ports.iter().flat_map(elements);
        ports.chain(self.origins.iter().flat_map(|router| elements::of_origin(*router))).collect()
    }

    /// Returns the elements of all that another mesh does not have in the same way.
    pub(super) fn elements_besides(&self, other: &Self, turn: u32) -> Elements {
        let is_theirs = |port: &PortKey, to: &Published| {
            other.ports.get(port).is_some_and(|theirs| theirs.backends == to.backends)
        };
        let ports = self.ports.iter().filter(|(port, to)| !is_theirs(port, to));
        let ports = ports.flat_map(|(port, to)| elements::of_port(*port, &to.backends, turn));
        let origins = self.origins.difference(&other.origins);
        ports.chain(origins.flat_map(|router| elements::of_origin(*router))).collect()
    }

    /// Keeps what came in at one node apart from what came in at another.
    pub(super) fn zone_rule() -> String {
        format!("iifname {TUNNEL:?} ct original zone set ether saddr map @{} accept", Set::Zones.name())
    }

    pub(super) fn chains(&self, sides: &[Side]) -> [NetChain; 2] {
        let origins = Set::Origins.name();
        [
            (
                "marking",
                "type filter hook prerouting priority mangle; policy accept;",
                vec![
                    format!("ct state new iifname {TUNNEL:?} ct mark set ether saddr map @{origins}"),
                    format!("ct direction reply iifname != {TUNNEL:?} meta mark set ct mark"),
                ],
            ),
            (
                "publish",
                "type nat hook prerouting priority dstnat; policy accept;",
                sides.iter().flat_map(|side| self.publish_rules(side.family())).collect(),
            ),
        ]
    }

    /// A port that leads nowhere is left to the sandbox itself, which refuses it as nobody listens there.
    fn publish_rules(&self, family: Family) -> [String; Tier::ALL.len()] {
        let end = match family {
            Family::Ipv4 => IpAddr::V4(self.uplink.sandbox_ipv4()),
            Family::Ipv6 => self.uplink.sandbox_ipv6().into(),
        };
        Tier::ALL.map(|tier| {
            let (word, map, slots) = (family.word(), Set::Ports(family, tier).name(), tier.slots());
            let lookup = format!("meta l4proto . th dport . numgen inc mod {slots} map @{map}");
            format!(
                "iifname {UPLINK:?} {word} daddr {end} meta l4proto {{ tcp, udp, sctp }} dnat {word} to {lookup}"
            )
        })
    }

    /// Both sides learn the size that fits: errors about packets that are too large are lost in too many networks to rest
    /// on them.
    pub(super) fn clamp_rules(&self, sides: &[Side]) -> Vec<String> {
        let clamp = |side: &Side| {
            let (family, headers) = match side.family() {
                Family::Ipv4 => ("ipv4", HEADERS_IPV4),
                Family::Ipv6 => ("ipv6", HEADERS_IPV6),
            };
            let size = self.mtu.saturating_sub(headers);
            format!("meta nfproto {family} tcp flags & (syn | rst) == syn tcp option maxseg size set {size}")
        };
        // The answer to a connection's first packet is clamped too, and belongs to one that is known.
        let known = "ct state established tcp flags & syn == 0 accept".to_owned();
        iter::once(known).chain(sides.iter().map(clamp)).collect()
    }

    /// In come connections to published ports, from the host or another node; out go their answers, and nothing else.
    pub(super) fn border_rules(&self) -> [String; 5] {
        let came_in_elsewhere = format!("ct mark & {ANSWER_MARK:#x} != 0");
        [
            format!("iifname {UPLINK:?} oifname != {UPLINK:?} ct direction original ct status dnat accept"),
            format!("oifname {UPLINK:?} ct direction reply ct status dnat accept"),
            format!(
                "iifname {TUNNEL:?} oifname {CONTAINER_LINKS:?} ct direction original {came_in_elsewhere} accept"
            ),
            format!(
                "iifname {CONTAINER_LINKS:?} oifname {TUNNEL:?} ct direction reply {came_in_elsewhere} accept"
            ),
            format!("iifname {CONTAINER_LINKS:?} reject with icmpx admin-prohibited"),
        ]
    }

    /// Renders the table that sends answers to the node their client came in at.
    pub(super) fn returns_table(name: &str, elements: &[String]) -> String {
        let mut table = Table::replacing_in("netdev", name);
        table.block(&Set::Returns.head(), &[Set::Returns.kind()], elements);
        let hook = format!("type filter hook egress device {TUNNEL:?} priority filter; policy accept;");
        let returns = Set::Returns.name();
        let rule = format!("ether daddr {ANSWERS_MAC} ether daddr set meta mark map @{returns}");
        table.chain("answers", Some(&hook), &[rule]);
        table.finish()
    }
}
