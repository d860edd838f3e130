//! Hardware addresses of tunnels.

use std::fmt;

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
}
