//! The pools that networks have their subnets from for which none is given.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The length of the prefixes of IPv6 subnets, in bits.
pub const IPV6_MASK_LENGTH: u8 = 64;

/// The pools that networks have their subnets from for which none is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPools {
    /// The IPv4 pools, at least one, in the order in which they are used up.
    pub ipv4: Vec<Ipv4Net>,
    /// The IPv6 pools, in the same order; where there is none, subnets come from a range of the cluster's
    /// own (RFC 4193).
    pub ipv6: Vec<Ipv6Net>,
    /// The length of the prefixes of IPv4 subnets, in bits.
    pub mask_length: u8,
}

impl Default for AddressPools {
    /// 10.0.0.0/8 in subnets of 256 addresses, as docker has it.
    fn default() -> Self {
        let ipv4 = vec![Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8)];
        Self { ipv4, ipv6: Vec::new(), mask_length: 24 }
    }
}
