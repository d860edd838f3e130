//! What one network's sandbox holds on one node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use proto::model::{NodeId, TaskId};

use super::mac::Mac;
use super::names::{Interface, TUNNEL};
use super::rules::Rules;

/// A container of this node in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// Its number in the network.
    pub number: u32,
    /// What its end of the link is called.
    pub interface: Interface,
}

/// All that a sandbox should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Links, addresses, neighbours and routes; can be read back from the kernel.
    pub kernel: Kernel,
    /// The nft table; is never read back.
    pub rules: Rules,
    /// Nodes whose data path is of the other address family, so that no packet can be sent to them.
    pub out_of_reach: BTreeSet<NodeId>,
}

/// Links, addresses, neighbours and routes of a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// The VXLAN device.
    pub tunnel: Option<Tunnel>,
    /// Links to containers, by the name of the sandbox's end.
    pub links: BTreeMap<String, ContainerLink>,
    /// Addresses by link, each with its prefix length.
    pub addresses: BTreeSet<(String, IpNet)>,
    /// Permanent neighbours on the tunnel: other nodes' router addresses.
    pub neighbours: BTreeMap<IpAddr, Mac>,
    /// Where the tunnel sends what is for a hardware address.
    pub forwarding: BTreeMap<Mac, IpAddr>,
    /// Routes to containers and other nodes.
    pub routes: BTreeMap<IpNet, Way>,
    /// Where answers to clients of other nodes are sent, a default route of [`super::mesh::ANSWERS_TABLE`] each.
    pub answers: BTreeSet<IpAddr>,
    /// What is answered with an error when no other route leads there.
    pub unreachable: BTreeSet<IpNet>,
    /// Links that are switched off; none should be.
    pub down: BTreeSet<String>,
}

/// A VXLAN device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel {
    /// The network's number on the wire.
    pub vni: u32,
    /// The host's address it sends from.
    pub local: IpAddr,
    /// Its hardware address.
    pub mac: Mac,
    /// The largest packet it takes, in bytes.
    pub mtu: u32,
}

/// A link to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerLink {
    /// The container's task.
    pub task: TaskId,
    /// Its place in the network.
    pub container: Container,
    /// The largest packet the link takes, in bytes.
    pub mtu: u32,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Everything at the destination is on the link of this name.
    Link(String),
    /// Through another node's router, by the tunnel.
    Via(IpAddr),
}

impl Way {
    /// Returns the name of the link a packet leaves by.
    pub fn link(&self) -> &str {
        match self {
            Self::Link(link) => link,
            Self::Via(_) => TUNNEL,
        }
    }
}

impl Tunnel {
    /// Tells whether one device can become the other without being made anew.
    pub fn differs_in_mtu_at_most(&self, other: &Self) -> bool {
        Self { mtu: 0, ..*self } == Self { mtu: 0, ..*other }
    }
}

impl ContainerLink {
    /// Tells whether one link can become the other without being made anew.
    pub fn differs_in_mtu_at_most(&self, other: &Self) -> bool {
        Self { mtu: 0, ..*self } == Self { mtu: 0, ..*other }
    }
}

impl Kernel {
    /// Takes a container's link out, and with it what the kernel lets go of.
    pub fn drop_link(&mut self, name: &str) {
        self.links.remove(name);
        self.drop_dependents(name);
    }

    /// Takes the tunnel out, and with it what the kernel lets go of.
    pub fn drop_tunnel(&mut self) {
        self.tunnel = None;
        self.neighbours.clear();
        self.forwarding.clear();
        self.answers.clear();
        self.drop_dependents(TUNNEL);
    }

    /// Takes out what the kernel lets go of when a link is switched off or gone.
    pub(super) fn drop_dependents(&mut self, name: &str) {
        self.down.remove(name);
        self.addresses.retain(|(link, _)| link != name);
        self.routes.retain(|_, way| way.link() != name);
    }
}
