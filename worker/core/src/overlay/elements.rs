//! Elements of a network's sets and maps: as text for whole tables, as bytes for changes.
//!
//! Bytes are those the kernel compares packets with: addresses and ports as on the wire, numbers as the processor has them,
//! names of links filled up with zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use super::balance::slots;
use super::mac::Mac;
use super::mesh::mark_of;
use super::sets::{Family, Set};
use crate::network::{PortKey, Protocol};

/// How much room the name of a link takes, in bytes.
const LINK_NAME_SIZE: usize = 16;

/// What parts of a key or a value are filled up to a multiple of, in bytes, if there are several.
const PART_ALIGNMENT: usize = 4;

/// A part of an element's key, or of what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// An address.
    Address(IpAddr),
    /// A link, by its name.
    Link(String),
    /// A transport protocol.
    Protocol(Protocol),
    /// A port.
    Port(NonZeroU16),
    /// A slot.
    Slot(u32),
    /// A hardware address.
    Mac(Mac),
    /// A zone of connection tracking.
    Zone(u16),
    /// A mark of connections.
    Mark(u32),
}

/// An element of a set; of a map if it leads to anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The set or map.
    pub set: Set,
    key: Vec<Part>,
    value: Vec<Part>,
}

/// All elements of some sets.
pub type Elements = BTreeSet<Element>;

/// What turns the elements of a table into others, as one transaction: first some go, then others come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementChange {
    /// The table's name.
    pub table: String,
    /// What goes.
    pub remove: Vec<Element>,
    /// What comes.
    pub add: Vec<Element>,
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Address(IpAddr::V4(address)) => address.octets().to_vec(),
            Self::Address(IpAddr::V6(address)) => address.octets().to_vec(),
            Self::Link(name) => {
                let mut bytes = name.clone().into_bytes();
                bytes.resize(LINK_NAME_SIZE, 0);
                bytes
            }
            Self::Protocol(protocol) => vec![protocol.number()],
            Self::Port(port) => port.get().to_be_bytes().to_vec(),
            Self::Slot(number) | Self::Mark(number) => number.to_ne_bytes().to_vec(),
            Self::Mac(mac) => mac.0.to_vec(),
            Self::Zone(zone) => zone.to_ne_bytes().to_vec(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Link(name) => write!(f, "{name:?}"),
            Self::Protocol(protocol) => write!(f, "{protocol}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Slot(number) => write!(f, "{number}"),
            Self::Mac(mac) => write!(f, "{mac}"),
            Self::Zone(zone) => write!(f, "{zone}"),
            Self::Mark(mark) => write!(f, "{mark:#x}"),
        }
    }
}

impl Element {
    fn new(set: Set, key: impl Into<Vec<Part>>, value: impl Into<Vec<Part>>) -> Self {
        Self { set, key: key.into(), value: value.into() }
    }

    /// Returns its key as the kernel has it.
    pub fn key(&self) -> Vec<u8> {
        bytes_of(&self.key)
    }

    /// Returns what it leads to as the kernel has it; `None` for an element of a set.
    pub fn value(&self) -> Option<Vec<u8>> {
        (!self.value.is_empty()).then(|| bytes_of(&self.value))
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |parts: &[Part]| parts.iter().map(Part::to_string).collect::<Vec<_>>().join(" . ");
        match self.value.as_slice() {
            [] => f.write_str(&list(&self.key)),
            value => write!(f, "{} : {}", list(&self.key), list(value)),
        }
    }
}

impl ElementChange {
    /// Compares two lists of elements; `None` when they are the same.
    pub fn between(table: &str, from: &Elements, to: &Elements) -> Option<Self> {
        let (remove, add): (Vec<_>, Vec<_>) =
            (from.difference(to).cloned().collect(), to.difference(from).cloned().collect());
        let is_any = !remove.is_empty() || !add.is_empty();
        is_any.then(|| Self { table: table.to_owned(), remove, add })
    }
}

/// As the nft program would be told.
impl fmt::Display for ElementChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, elements) in [("delete", &self.remove), ("add", &self.add)] {
            let mut by_set: BTreeMap<Set, Vec<String>> = BTreeMap::new();
            elements.iter().for_each(|one| by_set.entry(one.set).or_default().push(one.to_string()));
            for (set, elements) in by_set {
                let (family, name, elements) = (set.table_family(), set.name(), elements.join(", "));
                writeln!(f, "{verb} element {family} {} {name} {{ {elements} }}", self.table)?;
            }
        }
        Ok(())
    }
}

/// Returns the elements of a virtual address on the node with this turn.
pub fn of_service(vip: IpAddr, backends: &BTreeSet<IpAddr>, turn: u32) -> Elements {
    let family = Family::of(vip);
    let mut elements = Elements::from([Element::new(Set::Vips(family), [Part::Address(vip)], [])]);
    elements.extend(slots(backends, turn).map(|(tier, slot, backend)| {
        let key = [Part::Address(vip), slot_part(slot)];
        Element::new(Set::Slots(family, tier), key, [Part::Address(backend)])
    }));
    elements
}

/// Returns the elements of a container's link.
pub fn of_container(link: &str, addresses: &BTreeSet<IpAddr>) -> Elements {
    let name = || Part::Link(link.to_owned());
    let mut elements = Elements::from([Element::new(Set::Hairpins, [name(), name()], [])]);
    elements.extend(addresses.iter().map(|address| {
        Element::new(Set::Sources(Family::of(*address)), [name(), Part::Address(*address)], [])
    }));
    elements
}

/// Returns the elements of a published port on the node with this turn.
pub fn of_port(port: PortKey, backends: &BTreeSet<SocketAddr>, turn: u32) -> Elements {
    let mut elements = Elements::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let is_own = |backend: &SocketAddr| Family::of(backend.ip()) == family;
        let own: BTreeSet<_> = backends.iter().copied().filter(is_own).collect();
        elements.extend(slots(&own, turn).filter_map(|(tier, slot, backend)| {
            let key = [Part::Protocol(port.protocol), Part::Port(port.port), slot_part(slot)];
            let value = [Part::Address(backend.ip()), Part::Port(NonZeroU16::new(backend.port())?)];
            Some(Element::new(Set::Ports(family, tier), key, value))
        }));
    }
    elements
}

/// Returns the elements of another node, by the number of its router, where clients come in.
pub fn of_origin(router: u32) -> Elements {
    let (mac, mark) = (Part::Mac(Mac::of_router(router)), Part::Mark(mark_of(router)));
    // Two of the nodes may share a zone in a network of more than 65,535: their clients seldom meet.
    let zone = u16::try_from(1 + router % u32::from(u16::MAX)).unwrap_or(u16::MAX);
    Elements::from([
        Element::new(Set::Zones, [mac.clone()], [Part::Zone(zone)]),
        Element::new(Set::Origins, [mac.clone()], [mark.clone()]),
        Element::new(Set::Returns, [mark], [mac]),
    ])
}

fn slot_part(slot: usize) -> Part {
    Part::Slot(u32::try_from(slot).expect("the largest tier has 4096 slots"))
}

fn bytes_of(parts: &[Part]) -> Vec<u8> {
    if let [alone] = parts {
        return alone.bytes();
    }
    let mut all = Vec::new();
    for part in parts {
        all.extend(part.bytes());
        all.resize(all.len().next_multiple_of(PART_ALIGNMENT), 0);
    }
    all
}
