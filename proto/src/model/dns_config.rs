//! How a container looks names up, as far as its service says.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// The search domain that stands for none, as docker has it.
pub const NO_SEARCH: &str = ".";

/// The address inside a container of the name server that knows its networks, as Docker has it.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// How a container looks names up; what is empty is as on its node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DnsConfig {
    /// The servers that are asked for names which are none of the cluster's.
    pub servers: Vec<IpAddr>,
    /// The domains in which names are looked for; [`NO_SEARCH`] alone is none at all.
    pub searches: Vec<String>,
    /// Options of resolv.conf(5), such as `ndots:2`.
    pub options: Vec<String>,
}
