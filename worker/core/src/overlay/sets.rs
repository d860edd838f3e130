//! The sets and maps of a network's nft table, and their elements as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::balance::{Tier, slots};
use super::mac::Mac;
use super::mesh::mark_of;
use crate::network::PortKey;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Returns the family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// Returns the word for the family in rules, such as in `ip daddr`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
        }
    }

    fn digit(self) -> char {
        match self {
            Self::Ipv4 => '4',
            Self::Ipv6 => '6',
        }
    }
}

/// A set or map of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// The virtual addresses, those without a backend too.
    Vips(Family),
    /// Backends by virtual address and slot.
    Slots(Family, Tier),
    /// The addresses that may come from each container's link.
    Sources(Family),
    /// Pairs of the same link: what comes from a container and goes back to it.
    Hairpins,
    /// Sockets of backends by published port and slot.
    Ports(Family, Tier),
    /// By the tunnel address of the node a client came in at: the zone in which its connections are tracked.
    Zones,
    /// By the same: what connections are marked with.
    Origins,
    /// By that mark: the tunnel address again.
    Returns,
}

impl Set {
    /// Returns its name.
    pub fn name(self) -> String {
        match self {
            Self::Vips(family) => format!("vips{}", family.digit()),
            Self::Slots(family, tier) => format!("slots{}_{}", family.digit(), tier.slots()),
            Self::Sources(family) => format!("sources{}", family.digit()),
            Self::Hairpins => "hairpins".to_owned(),
            Self::Ports(family, tier) => format!("ports{}_{}", family.digit(), tier.slots()),
            Self::Zones => "zones".to_owned(),
            Self::Origins => "origins".to_owned(),
            Self::Returns => "returns".to_owned(),
        }
    }

    /// Returns the family of the table it is in.
    pub fn table_family(self) -> &'static str {
        if self == Self::Returns { "netdev" } else { "inet" }
    }

    /// Returns the beginning of its definition.
    pub fn head(self) -> String {
        let kind = match self {
            Self::Vips(_) | Self::Sources(_) | Self::Hairpins => "set",
            Self::Slots(..) | Self::Ports(..) | Self::Zones | Self::Origins | Self::Returns => "map",
        };
        format!("{kind} {}", self.name())
    }

    /// Returns the type of its elements.
    pub fn kind(self) -> String {
        match self {
            Self::Vips(family) => format!("typeof {} daddr", family.word()),
            Self::Slots(family, tier) => {
                let word = family.word();
                format!("typeof {word} daddr . numgen inc mod {} : {word} daddr", tier.slots())
            }
            Self::Sources(family) => format!("typeof iifname . {} saddr", family.word()),
            Self::Hairpins => "typeof iifname . oifname".to_owned(),
            Self::Ports(family, tier) => {
                let (word, slots) = (family.word(), tier.slots());
                format!("typeof meta l4proto . th dport . numgen inc mod {slots} : {word} daddr . th dport")
            }
            Self::Zones => "typeof ether saddr : ct zone".to_owned(),
            Self::Origins => "type ether_addr : mark".to_owned(),
            Self::Returns => "type mark : ether_addr".to_owned(),
        }
    }
}

/// Elements, each with the set it belongs to.
pub type Elements = BTreeSet<(Set, String)>;

/// Returns the elements of a virtual address on the node with this turn.
pub fn of_service(vip: IpAddr, backends: &BTreeSet<IpAddr>, turn: u32) -> Elements {
    let family = Family::of(vip);
    let mut elements = Elements::from([(Set::Vips(family), vip.to_string())]);
    let slot = |(tier, slot, backend)| (Set::Slots(family, tier), format!("{vip} . {slot} : {backend}"));
    elements.extend(slots(backends, turn).map(slot));
    elements
}

/// Returns the elements of a container's link.
pub fn of_container(link: &str, addresses: &BTreeSet<IpAddr>) -> Elements {
    let mut elements = Elements::from([(Set::Hairpins, format!("{link:?} . {link:?}"))]);
    let source = |address: &IpAddr| (Set::Sources(Family::of(*address)), format!("{link:?} . {address}"));
    elements.extend(addresses.iter().map(source));
    elements
}

/// Returns the elements of a published port on the node with this turn.
pub fn of_port(port: PortKey, backends: &BTreeSet<SocketAddr>, turn: u32) -> Elements {
    let mut elements = Elements::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let own: BTreeSet<_> =
            backends.iter().copied().filter(|backend| Family::of(backend.ip()) == family).collect();
        elements.extend(slots(&own, turn).map(|(tier, slot, backend)| {
            let key = format!("{} . {} . {slot}", port.protocol, port.port);
            (Set::Ports(family, tier), format!("{key} : {} . {}", backend.ip(), backend.port()))
        }));
    }
    elements
}

/// Returns the elements of another node, by the number of its router, where clients come in.
pub fn of_origin(router: u32) -> Elements {
    let (mac, mark) = (Mac::of_router(router), mark_of(router));
    // Two of the nodes may share a zone in a network of more than 65,535: their clients seldom meet.
    let zone = 1 + router % u32::from(u16::MAX);
    Elements::from([
        (Set::Zones, format!("{mac} : {zone}")),
        (Set::Origins, format!("{mac} : {mark:#x}")),
        (Set::Returns, format!("{mark:#x} : {mac}")),
    ])
}

/// Renders the statements that turn one set of elements into another; empty when they are the same.
pub fn change(table: &str, from: &Elements, to: &Elements) -> String {
    let mut script = String::new();
    for (verb, elements) in [("delete", from.difference(to)), ("add", to.difference(from))] {
        let mut by_set: BTreeMap<Set, Vec<&str>> = BTreeMap::new();
        elements.for_each(|(set, element)| by_set.entry(*set).or_default().push(element));
        for (set, elements) in by_set {
            let (family, set, elements) = (set.table_family(), set.name(), elements.join(", "));
            writeln!(script, "{verb} element {family} {table} {set} {{ {elements} }}")
                .expect("a String takes any text");
        }
    }
    script
}
