//! A subnet for containers: which ones can be used, and which addresses it has.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::addressing::FIRST_NUMBER;

/// A subnet that cannot be used for containers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubnetError {
    /// The text is not `ADDRESS/PREFIX`.
    #[error("{text:?} is not a subnet: write ADDRESS/PREFIX, for example {example}")]
    Syntax {
        /// The text as given.
        text: String,
        /// A subnet that would be right.
        example: &'static str,
    },
    /// The prefix leaves too few or too many addresses.
    #[error("subnet {text} has prefix length {prefix}: use {shortest} to {longest}")]
    Prefix {
        /// The text as given.
        text: String,
        /// The prefix length as given.
        prefix: u8,
        /// The shortest prefix allowed.
        shortest: u8,
        /// The longest prefix allowed.
        longest: u8,
    },
    /// The address has bits set right of the prefix.
    #[error("subnet {text} has host bits set: use {network}")]
    HostBits {
        /// The text as given.
        text: String,
        /// The subnet that was probably meant.
        network: String,
    },
    /// The subnet holds addresses with a meaning of their own.
    #[error("subnet {text} overlaps {with}, which is reserved: choose a private range such as {example}")]
    Reserved {
        /// The text as given.
        text: String,
        /// The reserved range.
        with: &'static str,
        /// A subnet that would be right.
        example: &'static str,
    },
}

/// An IPv4 subnet of 3 to 22 bits of hosts, outside loopback, link-local and multicast ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv4Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

impl Ipv4Subnet {
    const EXAMPLE: &str = "172.30.0.0/16";
    const SHORTEST: u8 = 10;
    const LONGEST: u8 = 29;
    const RESERVED: [(Ipv4Addr, u8, &str); 4] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8, "0.0.0.0/8"),
        (Ipv4Addr::new(127, 0, 0, 0), 8, "127.0.0.0/8"),
        (Ipv4Addr::new(169, 254, 0, 0), 16, "169.254.0.0/16"),
        (Ipv4Addr::new(224, 0, 0, 0), 3, "224.0.0.0/3"),
    ];

    /// Returns the prefix length.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns the network's own address.
    pub fn network(&self) -> Ipv4Addr {
        self.network
    }

    /// Returns the highest host number a container may get; the one above is the broadcast address.
    pub fn last_number(&self) -> u32 {
        (1 << (32 - self.prefix)) - 2
    }

    /// Returns the address of a host number.
    pub(super) fn nth(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + number)
    }

    /// Returns the host number of an address that a container may have.
    pub(super) fn number_of(&self, address: Ipv4Addr) -> Option<u32> {
        let number = u32::from(address).checked_sub(u32::from(self.network))?;
        (FIRST_NUMBER..=self.last_number()).contains(&number).then_some(number)
    }
}

impl Default for Ipv4Subnet {
    fn default() -> Self {
        Self { network: Ipv4Addr::new(172, 30, 0, 0), prefix: 16 }
    }
}

impl fmt::Display for Ipv4Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Ipv4Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let (network, prefix) = split::<Ipv4Addr>(text, Self::EXAMPLE)?;
        check_prefix(text, prefix, Self::SHORTEST, Self::LONGEST)?;
        let masked = Ipv4Addr::from(u32::from(network) & (u32::MAX << (32 - prefix)));
        if masked != network {
            return Err(SubnetError::HostBits {
                text: text.to_owned(),
                network: format!("{masked}/{prefix}"),
            });
        }
        for (base, length, with) in Self::RESERVED {
            let shared = u32::MAX << (32 - length.min(prefix));
            if (u32::from(base) ^ u32::from(network)) & shared == 0 {
                return Err(SubnetError::Reserved { text: text.to_owned(), with, example: Self::EXAMPLE });
            }
        }
        Ok(Self { network, prefix })
    }
}

/// An IPv6 subnet with at least 32 bits of hosts inside `fc00::/7` (unique local) or `2000::/3` (global).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv6Subnet {
    network: Ipv6Addr,
    prefix: u8,
}

impl Ipv6Subnet {
    const EXAMPLE: &str = "fd73:686f:616c:ffff::/64";
    const SHORTEST: u8 = 32;
    const LONGEST: u8 = 96;

    /// Returns the prefix length.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns the network's own address.
    pub fn network(&self) -> Ipv6Addr {
        self.network
    }

    /// Returns the address of a host number.
    pub(super) fn nth(&self, number: u32) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(self.network) + u128::from(number))
    }
}

impl Default for Ipv6Subnet {
    /// Sits beside the link addresses of [`super::uplink`], whose fourth group never reaches `ffff`.
    fn default() -> Self {
        Self { network: Ipv6Addr::new(0xfd73, 0x686f, 0x616c, 0xffff, 0, 0, 0, 0), prefix: 64 }
    }
}

impl fmt::Display for Ipv6Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Ipv6Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let (network, prefix) = split::<Ipv6Addr>(text, Self::EXAMPLE)?;
        check_prefix(text, prefix, Self::SHORTEST, Self::LONGEST)?;
        let masked = Ipv6Addr::from(u128::from(network) & (u128::MAX << (128 - prefix)));
        if masked != network {
            return Err(SubnetError::HostBits {
                text: text.to_owned(),
                network: format!("{masked}/{prefix}"),
            });
        }
        let first = network.segments()[0];
        if first & 0xfe00 != 0xfc00 && first & 0xe000 != 0x2000 {
            let with = "a range that is neither unique local nor global";
            return Err(SubnetError::Reserved { text: text.to_owned(), with, example: Self::EXAMPLE });
        }
        Ok(Self { network, prefix })
    }
}

macro_rules! through_text {
    ($subnet:ty) => {
        impl TryFrom<String> for $subnet {
            type Error = SubnetError;

            fn try_from(text: String) -> Result<Self, SubnetError> {
                text.parse()
            }
        }

        impl From<$subnet> for String {
            fn from(subnet: $subnet) -> Self {
                subnet.to_string()
            }
        }
    };
}

through_text!(Ipv4Subnet);
through_text!(Ipv6Subnet);

fn split<A: FromStr>(text: &str, example: &'static str) -> Result<(A, u8), SubnetError> {
    let syntax = || SubnetError::Syntax { text: text.to_owned(), example };
    let (address, prefix) = text.split_once('/').ok_or_else(syntax)?;
    let address = address.parse().map_err(|_| syntax())?;
    let prefix = prefix.parse().map_err(|_| syntax())?;
    Ok((address, prefix))
}

fn check_prefix(text: &str, prefix: u8, shortest: u8, longest: u8) -> Result<(), SubnetError> {
    if (shortest..=longest).contains(&prefix) {
        return Ok(());
    }
    Err(SubnetError::Prefix { text: text.to_owned(), prefix, shortest, longest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcast_address_is_never_a_hosts() {
        let subnet: Ipv4Subnet = "10.0.0.0/29".parse().unwrap();
        assert_eq!(subnet.nth(subnet.last_number()), Ipv4Addr::new(10, 0, 0, 6));
        assert_eq!(subnet.number_of(Ipv4Addr::new(10, 0, 0, 7)), None);
        assert_eq!(subnet.number_of(Ipv4Addr::new(10, 0, 0, 1)), None);
    }

    #[test]
    fn a_subnet_that_cannot_be_used_is_refused_with_the_reason() {
        let message = |text: &str| text.parse::<Ipv4Subnet>().unwrap_err().to_string();
        assert_eq!(
            message("172.30.0.0"),
            "\"172.30.0.0\" is not a subnet: write ADDRESS/PREFIX, for example 172.30.0.0/16"
        );
        assert_eq!(message("10.0.0.0/30"), "subnet 10.0.0.0/30 has prefix length 30: use 10 to 29");
        assert_eq!(message("10.0.0.9/24"), "subnet 10.0.0.9/24 has host bits set: use 10.0.0.0/24");
        for (text, with) in [
            ("127.0.0.0/16", "127.0.0.0/8"),
            ("169.254.0.0/20", "169.254.0.0/16"),
            ("169.192.0.0/10", "169.254.0.0/16"),
            ("230.0.0.0/16", "224.0.0.0/3"),
        ] {
            assert!(message(text).contains(with), "{text}: {}", message(text));
        }
    }

    #[test]
    fn an_ipv6_subnet_is_unique_local_or_global() {
        for text in ["fd00::/64", "2001:db8::/64"] {
            assert!(text.parse::<Ipv6Subnet>().is_ok(), "{text}");
        }
        for text in ["fe80::/64", "ff00::/64", "::/64", "fd00::1/64", "fd00::/112", "172.30.0.0/16"] {
            assert!(text.parse::<Ipv6Subnet>().is_err(), "{text}");
        }
    }
}
