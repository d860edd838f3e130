//! The host that the networks of a node are made on.

use worker_core::network::{Guard, Subnets};

use crate::alarms::Alarms;
use crate::held::HeldNamespaces;
use crate::links::Links;
use crate::namespace::Namespace;

/// The host's part of what networks need.
#[derive(Debug)]
pub(crate) struct HostSide {
    pub(crate) namespace: Namespace,
    pub(crate) links: Links,
    /// Where changes are reported that somebody makes.
    pub(crate) alarms: Alarms,
    /// The namespaces of the node's containers.
    pub(crate) containers: HeldNamespaces,
    /// Which foreign forwards the host drops.
    pub(crate) guard: Guard,
    /// Where the node's own containers have their addresses from.
    pub(crate) subnets: Subnets,
    /// Whether the kernel has IPv6.
    pub(crate) ipv6: bool,
}
