//! The sets and maps of a network's nft table.

use std::fmt;
use std::net::IpAddr;

use super::balance::Tier;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Returns the family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// Returns the word for the family in rules, such as in `ip daddr`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
        }
    }

    fn digit(self) -> char {
        match self {
            Self::Ipv4 => '4',
            Self::Ipv6 => '6',
        }
    }
}

/// The family of a table: which packets meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFamily {
    /// Those of IPv4 and IPv6.
    Inet,
    /// Those of one link, just before they leave.
    Netdev,
}

impl TableFamily {
    /// Returns its number in the kernel's messages.
    pub fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Netdev => 5,
        }
    }
}

impl fmt::Display for TableFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Netdev => "netdev",
        })
    }
}

/// A set or map of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// The virtual addresses, those without a backend too.
    Vips(Family),
    /// Backends by virtual address and slot.
    Slots(Family, Tier),
    /// The addresses that may come from each container's link.
    Sources(Family),
    /// Pairs of the same link: what comes from a container and goes back to it.
    Hairpins,
    /// Sockets of backends by published port and slot.
    Ports(Family, Tier),
    /// By the tunnel address of the node a client came in at: the zone in which its connections are tracked.
    Zones,
    /// By the same: what connections are marked with.
    Origins,
    /// By that mark: the tunnel address again.
    Returns,
}

impl Set {
    /// Returns its name.
    pub fn name(self) -> String {
        match self {
            Self::Vips(family) => format!("vips{}", family.digit()),
            Self::Slots(family, tier) => format!("slots{}_{}", family.digit(), tier.slots()),
            Self::Sources(family) => format!("sources{}", family.digit()),
            Self::Hairpins => "hairpins".to_owned(),
            Self::Ports(family, tier) => format!("ports{}_{}", family.digit(), tier.slots()),
            Self::Zones => "zones".to_owned(),
            Self::Origins => "origins".to_owned(),
            Self::Returns => "returns".to_owned(),
        }
    }

    /// Returns the family of the table it is in.
    pub fn table_family(self) -> TableFamily {
        if self == Self::Returns { TableFamily::Netdev } else { TableFamily::Inet }
    }

    /// Returns the beginning of its definition.
    pub fn head(self) -> String {
        let kind = match self {
            Self::Vips(_) | Self::Sources(_) | Self::Hairpins => "set",
            Self::Slots(..) | Self::Ports(..) | Self::Zones | Self::Origins | Self::Returns => "map",
        };
        format!("{kind} {}", self.name())
    }

    /// Returns the type of its elements.
    pub fn kind(self) -> String {
        match self {
            Self::Vips(family) => format!("typeof {} daddr", family.word()),
            Self::Slots(family, tier) => {
                let word = family.word();
                format!("typeof {word} daddr . numgen inc mod {} : {word} daddr", tier.slots())
            }
            Self::Sources(family) => format!("typeof iifname . {} saddr", family.word()),
            Self::Hairpins => "typeof iifname . oifname".to_owned(),
            Self::Ports(family, tier) => {
                let (word, slots) = (family.word(), tier.slots());
                format!("typeof meta l4proto . th dport . numgen inc mod {slots} : {word} daddr . th dport")
            }
            Self::Zones => "typeof ether saddr : ct zone".to_owned(),
            Self::Origins => "type ether_addr : mark".to_owned(),
            Self::Returns => "type mark : ether_addr".to_owned(),
        }
    }
}
