//! Published ports of the host, and what changes between one list of them and the next.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use proto::model::{HostIp, PortProtocol};
use serde::{Deserialize, Serialize};

use super::InterfaceAddress;

/// A transport protocol that ports are published for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl From<PortProtocol> for Protocol {
    fn from(protocol: PortProtocol) -> Self {
        match protocol {
            PortProtocol::Tcp => Self::Tcp,
            PortProtocol::Udp => Self::Udp,
            PortProtocol::Sctp => Self::Sctp,
        }
    }
}

impl Protocol {
    /// Returns its number in packets (IANA's protocol numbers).
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of the host that leads to a port of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// The port on the host.
    pub published: NonZeroU16,
    /// The port the container listens on.
    pub target: NonZeroU16,
    /// At which of the host's addresses; `None` is all of them.
    #[serde(default)]
    pub host_ip: Option<HostIp>,
}

impl HostPort {
    /// Returns what no two published ports of a host may share.
    pub fn key(&self) -> PortKey {
        PortKey { protocol: self.protocol, port: self.published }
    }
}

/// A protocol and a port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortKey {
    /// The protocol.
    pub protocol: Protocol,
    /// The published port.
    pub port: NonZeroU16,
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A published port of the host, and where on the host it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Opening {
    /// The port.
    pub key: PortKey,
    /// At which of the host's addresses; `None` is all of them.
    pub host_ip: Option<HostIp>,
}

impl Opening {
    /// Tells whether one who speaks to this socket of the host is led to a container.
    pub fn is_at(&self, protocol: Protocol, socket: SocketAddr) -> bool {
        (self.key.protocol, self.key.port.get()) == (protocol, socket.port())
            && self.host_ip.is_none_or(|host_ip| host_ip.contains(socket.ip()))
    }
}

/// A published port and the container's sockets behind it, one an address family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The published port.
    pub key: PortKey,
    /// At which of the host's addresses; `None` is all of them.
    pub host_ip: Option<HostIp>,
    /// Where it leads.
    pub targets: Vec<SocketAddr>,
}

impl Forward {
    /// Leads a host's port to a container with these addresses.
    pub fn new(port: &HostPort, addresses: &[InterfaceAddress]) -> Self {
        let target = |held: &InterfaceAddress| SocketAddr::new(held.address, port.target.get());
        let targets = addresses.iter().map(target).collect();
        Self { key: port.key(), host_ip: port.host_ip, targets }
    }

    /// Returns the host's side of it.
    pub fn opening(&self) -> Opening {
        Opening { key: self.key, host_ip: self.host_ip }
    }

    /// Returns the IPv4 socket behind the port.
    pub fn ipv4(&self) -> Option<SocketAddr> {
        self.targets.iter().copied().find(|target| matches!(target.ip(), IpAddr::V4(_)))
    }

    /// Returns the IPv6 socket behind the port.
    pub fn ipv6(&self) -> Option<SocketAddr> {
        self.targets.iter().copied().find(|target| matches!(target.ip(), IpAddr::V6(_)))
    }
}

/// What to take out of and put into the maps so that a task's ports are as wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortChange {
    /// Taken out first.
    pub remove: Vec<Forward>,
    /// Put in afterwards, in the same transaction.
    pub add: Vec<Forward>,
}

impl PortChange {
    /// Compares what a task has with what it should have.
    pub fn between(held: &BTreeMap<PortKey, Forward>, wanted: &BTreeMap<PortKey, Forward>) -> Self {
        let missing_in = |other: &BTreeMap<PortKey, Forward>, forward: &&Forward| {
            other.get(&forward.key) != Some(*forward)
        };
        Self {
            remove: held.values().filter(|forward| missing_in(wanted, forward)).cloned().collect(),
            add: wanted.values().filter(|forward| missing_in(held, forward)).cloned().collect(),
        }
    }

    /// Returns what forwards become by this change.
    pub fn after<'a>(&self, forwards: impl IntoIterator<Item = &'a Forward>) -> Vec<Forward> {
        let mut by_key: BTreeMap<_, _> =
            forwards.into_iter().map(|forward| (forward.key, forward.clone())).collect();
        by_key.retain(|_, forward| !self.remove.contains(forward));
        by_key.extend(self.add.iter().map(|forward| (forward.key, forward.clone())));
        by_key.into_values().collect()
    }

    /// Tells whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }
}
