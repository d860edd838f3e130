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

/// What a container may reach by its link besides what lies outside of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Containers of the node that may do so too, and they it.
    pub siblings: bool,
    /// The host itself, at the address of its end of the uplink.
    pub host: bool,
}

impl Access {
    /// That of a container whose only network is the node's own.
    pub const SIBLINGS: Self = Self { siblings: true, host: false };

    /// Returns the group of the sandbox's end of the link, by which rules know it.
    pub fn link_group(self) -> u32 {
        u32::from(self.siblings) + 2 * u32::from(self.host)
    }

    /// Returns the groups of all links whose containers may reach their siblings, as text of a set.
    pub(super) fn groups_with_siblings() -> String {
        Self::groups(|access| access.siblings)
    }

    /// Returns the groups of all links whose containers may reach the host, as text of a set.
    pub(super) fn groups_with_host() -> String {
        Self::groups(|access| access.host)
    }

    fn groups(may: impl Fn(Self) -> bool) -> String {
        let all = [(false, false), (true, false), (false, true), (true, true)];
        let all = all.map(|(siblings, host)| Self { siblings, host }).into_iter();
        let groups: Vec<_> = all.filter(|it| may(*it)).map(|it| it.link_group().to_string()).collect();
        format!("{{ {} }}", groups.join(", "))
    }
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
    /// What `eth0` leads to besides.
    #[serde(default)]
    pub access: Access,
    /// Whether it leads out by another network than the node's own.
    #[serde(default)]
    pub has_other_way_out: bool,
}

impl Attachment {
    /// Tells whether the container reaches anything outside of the cluster.
    pub fn has_way_out(&self) -> bool {
        !self.addresses.is_empty() || self.has_other_way_out
    }

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
