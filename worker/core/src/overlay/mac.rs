//! Hardware addresses of tunnels.

use std::fmt;
use std::net::Ipv6Addr;

/// The first two bytes: unicast, locally administered.
const PREFIX: [u8; 2] = [0x02, 0x73];

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Returns the address of the tunnel of the node whose router has this number; no other node in the network has it.
    pub fn of_router(number: u32) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        let [x, y] = PREFIX;
        Self([x, y, a, b, c, d])
    }

    /// Returns the link-local address that follows from it (RFC 4291, appendix A).
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        let universal = a ^ 0b10;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, universal, b, c, 0xff, 0xfe, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnels_address_tells_its_routers_number() {
        assert_eq!(Mac::of_router(0x0001_0203).to_string(), "02:73:00:01:02:03");
    }

    #[test]
    fn a_link_local_address_follows_from_the_hardware_address() {
        let mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(mac.link_local().to_string(), "fe80::5054:ff:fe12:3456");
    }
}
