//! Ports that services publish: their numbers, and who holds them.
//!
//! A port of every node is one service's in the whole cluster, at whichever addresses it is published. Ports of the tasks'
//! own nodes are leased by the scheduler, but nobody can publish the same one on every node. While an update may still be
//! rolled back by itself, its service holds the ports of both specs: going back must not fail.

use crate::state::State;
use proto::model::{CHOSEN_PORTS, Node, PortMode, PortProtocol, PublishedPort, Service, ServiceSpec};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroU16,
};

/// Where nodes receive the packets of networks (RFC 7348, 5).
const VXLAN_PORT: u16 = 4789;

/// What a node tells published ports apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct PortNumber {
    /// The transport.
    pub protocol: PortProtocol,
    /// The port on the node.
    pub number: NonZeroU16,
}

/// A port that another service holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The port.
    pub port: PortNumber,
    /// The service that holds it.
    pub holder: String,
}

/// No port is left to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no port is left for target {target}/{protocol}, {} to {} are all taken: give one with published=PORT, or remove a service that has one",
    CHOSEN_PORTS.start(), CHOSEN_PORTS.end()
)]
pub struct NoPortLeft {
    /// The transport.
    pub protocol: PortProtocol,
    /// The port in the container.
    pub target: NonZeroU16,
}

impl PortNumber {
    /// That of a port; `None` if it was not chosen yet.
    pub fn of(port: &PublishedPort) -> Option<Self> {
        port.published.map(|number| Self { protocol: port.protocol, number })
    }
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// What a service publishes now, with the numbers that were chosen for it.
pub fn published(service: &Service) -> impl Iterator<Item = PublishedPort> {
    numbered(service, &service.spec)
}

/// The ports of every node among them.
pub fn of_every_node(service: &Service) -> impl Iterator<Item = PublishedPort> {
    published(service).filter(|port| port.mode == PortMode::Ingress)
}

/// The first port that a service comes to hold and another one holds already; `before` is what is known of the service.
pub fn clash(state: &State, before: Option<&Service>, service: &Service) -> Option<Clash> {
    let wanted = gained(before, service);
    if wanted.is_empty() {
        return None;
    }
    state.services().filter(|other| other.id != service.id).find_map(|other| {
        let theirs = held(other);
        let is_clash = |(port, mode): &&(PortNumber, PortMode)| {
            let held_in = |other| theirs.contains(&(*port, other));
            held_in(PortMode::Ingress) || *mode == PortMode::Ingress && held_in(PortMode::Host)
        };
        let holder = || other.spec.name.to_string();
        wanted.iter().find(is_clash).map(|(port, _)| Clash { port: *port, holder: holder() })
    })
}

/// The ports that a service holds and did not hold before.
pub(crate) fn gained(before: Option<&Service>, service: &Service) -> BTreeSet<(PortNumber, PortMode)> {
    let known = before.map(held).unwrap_or_default();
    held(service).difference(&known).copied().collect()
}

/// Chooses a number for each port that is published on every node without one. A port keeps the number it has as long as
/// it is published; a new one gets the lowest that nobody has.
pub(crate) fn choose(state: &State, service: &mut Service) -> Result<(), NoPortLeft> {
    let lacks_number = |port: &&PublishedPort| port.published.is_none() && port.mode == PortMode::Ingress;
    let wanted: BTreeSet<(PortProtocol, NonZeroU16)> = specs(service)
        .flat_map(|spec| spec.ports.iter().filter(lacks_number))
        .map(|port| (port.protocol, port.target))
        .collect();
    let mut known = std::mem::take(&mut service.chosen_ports);
    if wanted.is_empty() {
        return Ok(());
    }
    // Nothing is chosen now, so these are the ports that people named.
    let named = held(service).into_iter();
    let others = state.services().filter(|other| other.id != service.id).flat_map(|other| held(other));
    let mut taken: BTreeSet<PortNumber> = named.chain(others).map(|(port, _)| port).collect();
    known.retain(|key, number| {
        wanted.contains(key) && taken.insert(PortNumber { protocol: key.0, number: *number })
    });
    for (protocol, target) in wanted {
        if known.contains_key(&(protocol, target)) {
            continue;
        }
        let mut free = CHOSEN_PORTS.filter_map(NonZeroU16::new).filter(|&number| {
            let port = PortNumber { protocol, number };
            !taken.contains(&port) && user_of(state, port).is_none()
        });
        let number = free.next().ok_or(NoPortLeft { protocol, target })?;
        taken.insert(PortNumber { protocol, number });
        known.insert((protocol, target), number);
    }
    service.chosen_ports = known;
    Ok(())
}

/// Says who of the cluster itself needs a port of every node.
pub(crate) fn user_of(state: &State, port: PortNumber) -> Option<&'static str> {
    let serves_there = |node: &Node| {
        let addr = node.manager.as_ref().map(|manager| manager.addr.as_str()).unwrap_or_default();
        addr.rsplit_once(':').and_then(|(_, number)| number.parse().ok()) == Some(port.number.get())
    };
    match port.protocol {
        PortProtocol::Tcp => {
            state.nodes().any(|node| serves_there(node)).then_some("a manager is reached there")
        }
        PortProtocol::Udp => {
            (port.number.get() == VXLAN_PORT).then_some("nodes receive networks' packets there")
        }
        PortProtocol::Sctp => None,
    }
}

/// Every port that a service holds, once for each mode. One that is being removed has given them up.
fn held(service: &Service) -> BTreeSet<(PortNumber, PortMode)> {
    if service.removing {
        return BTreeSet::new();
    }
    let with_number = |port: PublishedPort| Some((PortNumber::of(&port)?, port.mode));
    specs(service).flat_map(|spec| numbered(service, spec)).filter_map(with_number).collect()
}

/// The spec of a service, and the one that it may go back to by itself.
fn specs(service: &Service) -> impl Iterator<Item = &ServiceSpec> {
    let may_go_back = service.rollout.as_ref().is_some_and(|rollout| rollout.state.is_unsettled());
    let previous = service.previous.as_ref().filter(|_| may_go_back).map(|previous| previous.spec.as_ref());
    std::iter::once(service.spec.as_ref()).chain(previous)
}

fn numbered<'a>(service: &'a Service, spec: &'a ServiceSpec) -> impl Iterator<Item = PublishedPort> + 'a {
    let chosen: &BTreeMap<_, _> = &service.chosen_ports;
    spec.ports.iter().map(move |port| {
        let number = || chosen.get(&(port.protocol, port.target)).copied();
        PublishedPort { published: port.published.or_else(number), ..*port }
    })
}
