//! What the plan of a network's sandbox depends on, and whether there can be one.

use std::collections::BTreeMap;

use proto::model::{NetworkId, NetworkInfo, NetworkPeer, NetworkTable, NodeId, TaskId};
use thiserror::Error;

use super::follow::Plan;
use super::parts::Place;
use super::state::{Container, Desired};
use crate::network::addressing::GATEWAY_IPV6;
use crate::network::{InterfaceAddress, UplinkAddresses};

/// What VXLAN adds to a packet on IPv4, in bytes: Ethernet 14, VXLAN 8, UDP 8, IPv4 20.
const OVERHEAD_IPV4: u32 = 50;

/// What VXLAN adds to a packet on IPv6, in bytes.
const OVERHEAD_IPV6: u32 = 70;

/// The smallest MTU a network may have, in bytes: IPv6 needs it (RFC 8200, 5).
const MTU_MIN: u32 = 1280;

/// Why a network cannot be set up on this node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The managers' table does not have this node.
    #[error("node {node} takes no part in network {network}: the managers have given it no number there yet")]
    NoPart {
        /// This node.
        node: NodeId,
        /// The network.
        network: NetworkId,
    },
    /// The tunnel's header leaves too little room.
    #[error(
        "packets between nodes may have {underlay} bytes only, which leaves {left} for network {network}, less than {MTU_MIN}: raise the MTU of the link with the data path's address"
    )]
    UnderlayTooSmall {
        /// The network.
        network: NetworkId,
        /// The MTU of the data path's link, in bytes.
        underlay: u32,
        /// What is left of it, in bytes.
        left: u32,
    },
    /// What the network asks for does not fit.
    #[error(
        "network {network} asks for packets of {asked} bytes, and the link with the data path's address, which takes {underlay}, leaves {left} for it: raise the link's MTU, or make the network without -o mtu"
    )]
    AskedTooLarge {
        /// The network.
        network: NetworkId,
        /// What it asks for, in bytes.
        asked: u32,
        /// The MTU of the data path's link, in bytes.
        underlay: u32,
        /// What is left of it, in bytes.
        left: u32,
    },
}

/// All that the plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// This node.
    pub node: NodeId,
    /// What the managers tell.
    pub table: &'a NetworkTable,
    /// This node's containers in the network.
    pub containers: &'a BTreeMap<TaskId, Container>,
    /// The MTU of the link that has the data path's address, or of what takes its place in a network without tunnel, in
    /// bytes.
    pub underlay_mtu: u32,
    /// The link to the host, if this is the ingress network.
    pub uplink: Option<UplinkAddresses>,
}

impl View<'_> {
    /// Tells whether the network can be set up on this node.
    pub fn check(&self) -> Result<(), PlanError> {
        Place::of(self).map(drop)
    }

    /// The largest packet of the network, in bytes, on a node with this part in it.
    pub(super) fn mtu(&self, me: &NetworkPeer) -> Result<u32, PlanError> {
        let asked = self.table.info.mtu.map(u32::from);
        if self.table.info.kind.is_local() {
            return Ok(asked.unwrap_or(self.underlay_mtu));
        }
        let overhead = if me.data_path.is_ipv4() { OVERHEAD_IPV4 } else { OVERHEAD_IPV6 };
        let (network, underlay) = (self.table.info.id, self.underlay_mtu);
        let left = underlay.saturating_sub(overhead);
        match asked {
            Some(asked) if asked > left => Err(PlanError::AskedTooLarge { network, asked, underlay, left }),
            Some(asked) => Ok(asked),
            None if left < MTU_MIN => Err(PlanError::UnderlayTooSmall { network, underlay, left }),
            None => Ok(left),
        }
    }
}

/// Decides what the sandbox of a network should hold.
pub fn plan(view: &View<'_>) -> Result<Desired, PlanError> {
    Plan::of(view).map(|plan| plan.desired().clone())
}

/// Returns what a container's interface is given for its number; the gateway leads to the network's subnet only.
pub fn container_addresses(info: &NetworkInfo, number: u32) -> Vec<InterfaceAddress> {
    let ipv4 = InterfaceAddress {
        address: info.ipv4_address(number).into(),
        prefix: info.ipv4.subnet.prefix_len(),
        gateway: info.ipv4.gateway.into(),
    };
    let ipv6 = info.ipv6.map(|pool| InterfaceAddress {
        address: pool.address(number).into(),
        prefix: pool.subnet.prefix_len(),
        gateway: GATEWAY_IPV6.into(),
    });
    [ipv4].into_iter().chain(ipv6).collect()
}
