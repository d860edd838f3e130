//! What a container is given: a namespace, and the addresses of its link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An address on a container's link, with the gateway all its traffic takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// The prefix length of the network the address is from.
    pub prefix: u8,
    /// Where the default route of this family leads.
    pub gateway: IpAddr,
}

/// A container's place in the network; a ledger on disk keeps it across restarts of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The task's id.
    pub task: String,
    /// The file the container's namespace is bound to.
    pub netns: PathBuf,
    /// The addresses of `eth0`; empty for a namespace that has a loopback only.
    pub addresses: Vec<InterfaceAddress>,
}

impl Attachment {
    /// Returns the container's IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|held| match held.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    /// Returns the container's IPv6 address.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|held| match held.address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        })
    }
}
