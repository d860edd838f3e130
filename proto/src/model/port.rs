//! Ports a service publishes.

use serde::{Deserialize, Serialize};
use std::{fmt, num::NonZeroU16};

/// One published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The transport.
    pub protocol: PortProtocol,
    /// The port on the node.
    pub published: NonZeroU16,
    /// The port in the container.
    pub target: NonZeroU16,
    /// Where it is published.
    pub mode: PortMode,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortProtocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

/// Where a port is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortMode {
    /// On every node.
    Ingress,
    /// On the node the task runs on.
    Host,
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
        })
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*:{}->{}/{}", self.published, self.target, self.protocol)
    }
}
