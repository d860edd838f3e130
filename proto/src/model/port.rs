//! Ports a service publishes.

use super::HostIp;
use serde::{Deserialize, Serialize};
use std::{fmt, num::NonZeroU16, ops::RangeInclusive};

/// The ports that managers choose from, as Swarm does.
pub const CHOSEN_PORTS: RangeInclusive<u16> = 30_000..=32_767;

/// One published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The transport.
    pub protocol: PortProtocol,
    /// The port on the node; `None` has the managers choose one of [`CHOSEN_PORTS`], with [`PortMode::Ingress`] only.
    pub published: Option<NonZeroU16>,
    /// The port in the container.
    pub target: NonZeroU16,
    /// Where it is published.
    pub mode: PortMode,
    /// At which of a node's addresses; `None` is all of them.
    #[serde(default)]
    pub host_ip: Option<HostIp>,
    /// Which tasks a node sends to; with [`PortMode::Ingress`] only.
    #[serde(default)]
    pub traffic: PortTraffic,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortProtocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
    /// RFC 9260.
    Sctp,
}

/// Where a port is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortMode {
    /// On every node.
    Ingress,
    /// On the node the task runs on.
    Host,
}

/// Which tasks a node sends those to who come to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortTraffic {
    /// All, wherever they are.
    #[default]
    Cluster,
    /// Its own while any of them serves, else all.
    LocalFirst,
}

impl PublishedPort {
    /// A port of every node, at all of their addresses.
    pub fn ingress(protocol: PortProtocol, published: NonZeroU16, target: NonZeroU16) -> Self {
        let (published, mode) = (Some(published), PortMode::Ingress);
        Self { protocol, published, target, mode, host_ip: None, traffic: PortTraffic::Cluster }
    }

    /// A port of the tasks' own nodes, at all of their addresses.
    pub fn host(protocol: PortProtocol, published: NonZeroU16, target: NonZeroU16) -> Self {
        Self { mode: PortMode::Host, ..Self::ingress(protocol, published, target) }
    }
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
            PortProtocol::Sctp => "sctp",
        })
    }
}

impl fmt::Display for PublishedPort {
    /// `*:80->8080/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(host_ip) => write!(f, "{host_ip:#}")?,
            None => f.write_str("*")?,
        }
        if let Some(published) = self.published {
            write!(f, ":{published}")?;
        }
        write!(f, "->{}/{}", self.target, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_from_before_there_were_addresses_and_choices_is_still_read() {
        let written = r#"{"protocol":"Tcp","published":80,"target":8080,"mode":"Ingress"}"#;
        let port = |number| NonZeroU16::new(number).unwrap();
        let expected = PublishedPort::ingress(PortProtocol::Tcp, port(80), port(8080));
        assert_eq!(serde_json::from_str::<PublishedPort>(written).unwrap(), expected);
    }

    #[test]
    fn a_port_is_written_as_lists_have_it() {
        let port = |number| NonZeroU16::new(number).unwrap();
        let mut published = PublishedPort::host(PortProtocol::Sctp, port(80), port(8080));
        assert_eq!(published.to_string(), "*:80->8080/sctp");
        published.host_ip = Some("fd00::5".parse().unwrap());
        assert_eq!(published.to_string(), "[fd00::5]:80->8080/sctp");
        published.published = None;
        assert_eq!(published.to_string(), "[fd00::5]->8080/sctp");
    }
}
