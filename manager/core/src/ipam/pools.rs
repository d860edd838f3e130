//! Free subnets of the cluster's default pools.
//!
//! What networks have, and the addresses by which nodes are reached, is never given out. What hosts reach
//! directly is left alone as long as there is something else: a container in such a subnet could not reach
//! that part of its host's surroundings.

use crate::{networks::addresses_of, state::State};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proto::model::{AddressPools, Node, address_pools::IPV6_MASK_LENGTH};
use std::{net::Ipv4Addr, net::Ipv6Addr, sync::Arc};

/// The first free IPv4 subnet of the pools.
pub(super) fn free_ipv4(state: &State, pools: &AddressPools) -> Option<Ipv4Net> {
    let length = pools.mask_length;
    let found = first_free(state, pools.ipv4.iter().copied().map(IpNet::V4), length)?;
    let first = Ipv4Addr::from(u32::try_from(found).expect("it lies in an IPv4 pool"));
    Ipv4Net::new(first, length).ok()
}

/// The first free IPv6 subnet of the pools.
pub(super) fn free_ipv6(state: &State, pools: &AddressPools) -> Option<Ipv6Net> {
    let found = first_free(state, pools.ipv6.iter().copied().map(IpNet::V6), IPV6_MASK_LENGTH)?;
    Ipv6Net::new(Ipv6Addr::from(found), IPV6_MASK_LENGTH).ok()
}

/// The first address of a free subnet with a prefix of that length.
fn first_free(state: &State, pools: impl Iterator<Item = IpNet> + Clone, length: u8) -> Option<u128> {
    let pools: Vec<IpNet> = pools.collect();
    let held: Vec<IpNet> = held(state).collect();
    let near: Vec<IpNet> = state.nodes().flat_map(local_subnets).collect();
    let in_pools = |taken: &[IpNet]| pools.iter().find_map(|&pool| first_in(pool, length, taken));
    in_pools(&[held.as_slice(), &near].concat()).or_else(|| in_pools(&held))
}

/// What networks have, and where nodes are.
fn held(state: &State) -> impl Iterator<Item = IpNet> {
    let ipv4 = state.networks().map(|network| IpNet::V4(network.ipv4.subnet));
    let ipv6 = state.networks().filter_map(|network| Some(IpNet::V6(network.ipv6?.subnet)));
    ipv4.chain(ipv6).chain(state.nodes().flat_map(|node| addresses_of(node)).map(IpNet::from))
}

fn local_subnets(node: &Arc<Node>) -> impl Iterator<Item = IpNet> {
    node.description.iter().flat_map(|said| said.local_subnets.union(&said.container_subnets)).copied()
}

/// The first address of the first subnet of a pool that overlaps nothing of what is taken.
fn first_in(pool: IpNet, length: u8, taken: &[IpNet]) -> Option<u128> {
    let (is_ipv4, bits) = (pool.addr().is_ipv4(), pool.max_prefix_len());
    let size = 1u128.checked_shl(u32::from(bits.checked_sub(length)?))?;
    let of_family = taken.iter().filter(|it| it.addr().is_ipv4() == is_ipv4);
    let mut taken: Vec<(u128, u128)> = of_family.map(span).collect();
    taken.sort_unstable();
    let (mut at, end) = span(&pool);
    for (first, last) in taken {
        // They may lie in each other, so the last one passed is not always the furthest.
        if last < at {
            continue;
        }
        if first > at + (size - 1) {
            break;
        }
        at = (last / size).checked_add(1)?.checked_mul(size)?;
    }
    (at.checked_add(size - 1)? <= end).then_some(at)
}

/// The first and the last address.
fn span(subnet: &IpNet) -> (u128, u128) {
    match subnet {
        IpNet::V4(subnet) => (u32::from(subnet.network()).into(), u32::from(subnet.broadcast()).into()),
        IpNet::V6(subnet) => (subnet.network().into(), subnet.broadcast().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn found(pool: &str, length: u8, taken: &[&str]) -> Option<String> {
        let first = first_in(pool.parse().unwrap(), length, &nets(taken))?;
        Some(match pool.contains(':') {
            true => Ipv6Addr::from(first).to_string(),
            false => Ipv4Addr::from(u32::try_from(first).unwrap()).to_string(),
        })
    }

    #[test]
    fn the_first_gap_that_is_large_enough_is_found() {
        assert_eq!(found("10.0.0.0/8", 24, &[]).as_deref(), Some("10.0.0.0"));
        let taken = ["10.0.0.0/24", "10.0.1.128/32", "10.0.2.0/23", "9.0.0.0/8", "fd00::/8"];
        assert_eq!(found("10.0.0.0/8", 24, &taken).as_deref(), Some("10.0.4.0"));
        assert_eq!(found("10.0.0.0/8", 25, &taken).as_deref(), Some("10.0.1.0"));
        assert_eq!(found("10.0.0.0/23", 24, &taken), None);
        assert_eq!(found("fd00:20::/48", 64, &["fd00:20::/64"]).as_deref(), Some("fd00:20:0:1::"));
        assert_eq!(found("255.255.255.0/24", 24, &["255.255.255.0/24"]), None);
    }

    proptest! {
        #[test]
        fn what_is_found_is_the_lowest_subnet_that_overlaps_nothing(
            taken in prop::collection::vec((0u32..1 << 12, 20u8..=32), 0..24),
            length in 24u8..=30,
        ) {
            let pool: Ipv4Net = "10.0.0.0/20".parse().unwrap();
            let taken: Vec<Ipv4Net> = taken
                .into_iter()
                .map(|(at, prefix)| Ipv4Net::new(Ipv4Addr::from(u32::from(pool.network()) + at), prefix).unwrap())
                .map(|subnet| subnet.trunc())
                .collect();
            let is_free = |subnet: &Ipv4Net| !taken.iter().any(|it| it.contains(subnet) || subnet.contains(it));
            let expected = pool.subnets(length).unwrap().find(is_free).map(|subnet| u32::from(subnet.network()));
            let taken: Vec<IpNet> = taken.iter().copied().map(IpNet::V4).collect();
            prop_assert_eq!(first_in(IpNet::V4(pool), length, &taken), expected.map(u128::from));
        }
    }
}
