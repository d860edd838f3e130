//! Which pair of link addresses joins a sandbox to its host, so that daemons sharing a host never collide.
//!
//! A slot is an IPv4 /30 inside 169.254.0.0/16 and an IPv6 /126 inside fd73:686f:616c::/48. The order in which a node
//! tries slots follows from its id alone: a start and a stride, so that two nodes that meet once do not meet again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::NodeShort;

/// The prefix length of the IPv4 link.
pub const PREFIX_IPV4: u8 = 30;

/// The prefix length of the IPv6 link.
pub const PREFIX_IPV6: u8 = 126;

/// How many slots there are: prime, so that every stride visits them all.
const SLOTS: u16 = 16_127;

/// Third octets in use: 1 to 254 (RFC 3927 keeps 0 and 255 back) without the two that clouds serve metadata from.
const OCTETS_KEPT_FREE: [u16; 2] = [169, 170];

const IPV6_BASE: [u16; 3] = [0xfd73, 0x686f, 0x616c];

/// The addresses and routes a host already has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occupied {
    /// Every address of every other link.
    pub addresses: Vec<IpAddr>,
    /// Every route's destination and prefix length, in every table.
    pub routes: Vec<(IpAddr, u8)>,
}

/// The addresses of the two ends of one uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UplinkAddresses {
    slot: u16,
}

impl UplinkAddresses {
    /// Returns all slots, each once, in the order this node tries them.
    pub fn candidates(node: &NodeShort) -> impl Iterator<Item = Self> + use<> {
        let slots = u64::from(SLOTS);
        let hash = fnv1a(node.as_str().as_bytes());
        let start = hash % slots;
        let stride = 1 + (hash / slots) % (slots - 1);
        (0..slots).map(move |step| {
            let slot = (start + step * stride) % slots;
            Self { slot: u16::try_from(slot).expect("a remainder of SLOTS fits u16") }
        })
    }

    /// Returns the slot whose host end has this address, as a daemon does that finds its uplink in place.
    pub fn of_host_end(address: Ipv4Addr) -> Option<Self> {
        let [169, 254, third, fourth] = address.octets() else { return None };
        let third = u16::from(third);
        if !(1..=254).contains(&third) || OCTETS_KEPT_FREE.contains(&third) {
            return None;
        }
        let skipped = OCTETS_KEPT_FREE.iter().filter(|kept| **kept < third).count() as u16;
        let slot = (third - 1 - skipped) * 64 + u16::from(fourth / 4);
        let found = Self { slot };
        (slot < SLOTS && found.host_ipv4() == address).then_some(found)
    }

    /// Tells whether nothing of the host lies inside this slot.
    pub fn is_free(&self, occupied: &Occupied) -> bool {
        let taken_by_address = occupied.addresses.iter().any(|address| self.contains(*address));
        let taken_by_route = occupied.routes.iter().any(|(destination, prefix)| {
            let least = if destination.is_ipv4() { PREFIX_IPV4 } else { PREFIX_IPV6 };
            *prefix >= least && self.contains(*destination)
        });
        !taken_by_address && !taken_by_route
    }

    /// Returns the IPv4 network of the link.
    pub fn network_ipv4(&self) -> Ipv4Addr {
        let mut third = 1 + self.slot / 64;
        for kept in OCTETS_KEPT_FREE {
            if third >= kept {
                third += 1;
            }
        }
        let third = u8::try_from(third).expect("SLOTS / 64 octets and the kept ones end at 254");
        let fourth = u8::try_from(self.slot % 64 * 4).expect("63 * 4 fits u8");
        Ipv4Addr::new(169, 254, third, fourth)
    }

    /// Returns the IPv6 network of the link.
    pub fn network_ipv6(&self) -> Ipv6Addr {
        self.ipv6(0)
    }

    /// Returns the host's IPv4 end.
    pub fn host_ipv4(&self) -> Ipv4Addr {
        self.ipv4(1)
    }

    /// Returns the sandbox's IPv4 end, which published ports are handed to.
    pub fn sandbox_ipv4(&self) -> Ipv4Addr {
        self.ipv4(2)
    }

    /// Returns the host's IPv6 end.
    pub fn host_ipv6(&self) -> Ipv6Addr {
        self.ipv6(1)
    }

    /// Returns the sandbox's IPv6 end, which published ports are handed to.
    pub fn sandbox_ipv6(&self) -> Ipv6Addr {
        self.ipv6(2)
    }

    /// Tells whether this is an address of the sandbox's end.
    pub fn is_sandbox(&self, address: IpAddr) -> bool {
        address == self.sandbox_ipv4() || address == self.sandbox_ipv6()
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => u32::from(address) & !0b11 == u32::from(self.network_ipv4()),
            IpAddr::V6(address) => u128::from(address) & !0b11 == u128::from(self.network_ipv6()),
        }
    }

    fn ipv4(&self, end: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network_ipv4()) + end)
    }

    fn ipv6(&self, end: u16) -> Ipv6Addr {
        let [a, b, c] = IPV6_BASE;
        Ipv6Addr::new(a, b, c, self.slot, 0, 0, 0, end)
    }
}

/// FNV-1a: the same on every machine and in every version, which std's hashers do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn candidates(id: &str) -> Vec<UplinkAddresses> {
        UplinkAddresses::candidates(&NodeShort::of(id).unwrap()).collect()
    }

    #[test]
    fn a_node_tries_every_slot_once() {
        for id in ["a", "ab12cd34", "zzzzzzzz"] {
            let tried: BTreeSet<_> = candidates(id).into_iter().collect();
            assert_eq!(tried.len(), usize::from(SLOTS), "{id}");
        }
    }

    #[test]
    fn no_two_slots_share_an_address_and_none_is_kept_back() {
        let mut networks = BTreeSet::new();
        for slot in candidates("ab12cd34") {
            let third = slot.network_ipv4().octets()[2];
            assert!((1..=254).contains(&third) && third != 169 && third != 170, "{slot:?}");
            assert!(networks.insert((slot.network_ipv4(), slot.network_ipv6())));
        }
        assert_eq!(networks.len(), usize::from(SLOTS));
    }

    #[test]
    fn a_slot_is_found_again_from_the_hosts_address() {
        for slot in candidates("ab12cd34") {
            assert_eq!(UplinkAddresses::of_host_end(slot.host_ipv4()), Some(slot));
            assert_eq!(UplinkAddresses::of_host_end(slot.sandbox_ipv4()), None);
        }
        for other in ["169.254.169.1", "169.254.0.1", "169.254.255.1", "10.0.0.1"] {
            assert_eq!(UplinkAddresses::of_host_end(other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn nodes_that_meet_at_one_slot_part_at_the_next() {
        let [first, second] = ["ab12cd34", "ab12cd35"].map(candidates);
        let stride = |tried: &[UplinkAddresses]| (tried[1].slot + SLOTS - tried[0].slot) % SLOTS;
        assert_ne!(stride(&first), stride(&second));
    }

    #[test]
    fn a_slot_is_taken_by_an_address_or_a_route_inside_it_only() {
        let slot = candidates("ab12cd34")[0];
        let by_address = |address| Occupied { addresses: vec![address], routes: vec![] };
        let by_route = |to, prefix| Occupied { addresses: vec![], routes: vec![(to, prefix)] };
        assert!(slot.is_free(&Occupied::default()));
        assert!(!slot.is_free(&by_address(slot.sandbox_ipv4().into())));
        assert!(!slot.is_free(&by_address(slot.host_ipv6().into())));
        assert!(!slot.is_free(&by_route(slot.network_ipv4().into(), 30)));
        assert!(!slot.is_free(&by_route(slot.host_ipv4().into(), 32)));
        assert!(slot.is_free(&by_route(Ipv4Addr::new(169, 254, 0, 0).into(), 16)));
        assert!(slot.is_free(&by_route(Ipv4Addr::UNSPECIFIED.into(), 0)));
    }
}
