//! The default address pools of a cluster.

use super::{network::IPV4_PREFIXES, subnet};
use crate::model::{AddressPools, Problems, address_pools::IPV6_MASK_LENGTH};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const POOL: &str = "--default-addr-pool";
const MASK_LENGTH: &str = "--default-addr-pool-mask-length";
/// The shortest prefix of an IPv4 pool; a shorter one would reach into ranges with another meaning.
const IPV4_PREFIX_MIN: u8 = 4;
/// The shortest prefix of an IPv6 pool.
const IPV6_PREFIX_MIN: u8 = 16;

/// The pools as texts, IPv4 first.
pub(super) fn texts(pools: &AddressPools) -> Vec<String> {
    let ipv6 = pools.ipv6.iter().map(ToString::to_string);
    pools.ipv4.iter().map(ToString::to_string).chain(ipv6).collect()
}

/// Reads pools; a family without one, and a length that is not given, take their defaults.
pub(super) fn read(texts: &[String], mask_length: Option<u32>, problems: &mut Problems) -> AddressPools {
    let defaults = AddressPools::default();
    let (mut ipv4, mut ipv6) = (Vec::<Ipv4Net>::new(), Vec::<Ipv6Net>::new());
    for pool in problems.take_all(POOL, texts.iter().map(|text| pool(text))) {
        let known = ipv4.iter().copied().map(IpNet::V4).chain(ipv6.iter().copied().map(IpNet::V6));
        if let Some(other) = known.into_iter().find(|other| other.contains(&pool) || pool.contains(other)) {
            problems.add(POOL, format!("{pool} overlaps {other}: leave one of them out"));
            continue;
        }
        match pool {
            IpNet::V4(pool) => ipv4.push(pool),
            IpNet::V6(pool) => ipv6.push(pool),
        }
    }
    if ipv4.is_empty() {
        ipv4 = defaults.ipv4;
    }
    let mask_length =
        mask_length.map_or(defaults.mask_length, |length| check_length(length, &ipv4, problems));
    for pool in ipv4.iter().filter(|pool| pool.prefix_len() > mask_length) {
        problems.add(
            MASK_LENGTH,
            format!(
                "{mask_length} makes subnets larger than the pool {pool}: use {} to {}, or a larger pool",
                pool.prefix_len(),
                IPV4_PREFIXES.end()
            ),
        );
    }
    AddressPools { ipv4, ipv6, mask_length }
}

fn check_length(length: u32, pools: &[Ipv4Net], problems: &mut Problems) -> u8 {
    let known = u8::try_from(length).ok().filter(|length| IPV4_PREFIXES.contains(length));
    known.unwrap_or_else(|| {
        let (first, last) = (IPV4_PREFIXES.start(), IPV4_PREFIXES.end());
        problems.add(MASK_LENGTH, format!("{length} is out of range: use {first} to {last}"));
        // Says no more of what is wrong already.
        pools.iter().map(Ipv4Net::prefix_len).max().unwrap_or(*last)
    })
}

fn pool(text: &str) -> Result<IpNet, String> {
    let pool = subnet::read(text.trim())?;
    let (shortest, longest) = match pool {
        IpNet::V4(_) => (IPV4_PREFIX_MIN, *IPV4_PREFIXES.end()),
        IpNet::V6(_) => (IPV6_PREFIX_MIN, IPV6_MASK_LENGTH),
    };
    if !(shortest..=longest).contains(&pool.prefix_len()) {
        return Err(format!("{pool} has a prefix of {}: use {shortest} to {longest}", pool.prefix_len()));
    }
    match subnet::reserved(pool) {
        Some(reserved) => Err(format!(
            "{pool} overlaps {reserved}, which has a meaning of its own: use a private range, such as 10.20.0.0/16 \
             or fd00:20::/48"
        )),
        None => Ok(pool),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(pools: &[&str], mask_length: Option<u32>) -> (AddressPools, String) {
        let mut problems = Problems::default();
        let pools: Vec<String> = pools.iter().map(ToString::to_string).collect();
        let read = read(&pools, mask_length, &mut problems);
        (read, problems.to_string())
    }

    #[test]
    fn pools_of_both_families_are_read_and_written_back() {
        let given = ["10.20.0.0/16", "172.20.0.0/16", "fd00:20::/48"];
        let (read, problems) = read_all(&given, Some(26));
        assert_eq!((read.ipv4.len(), read.ipv6.len(), read.mask_length, problems.as_str()), (2, 1, 26, ""));
        assert_eq!(texts(&read), given);
    }

    #[test]
    fn a_family_without_a_pool_keeps_its_default() {
        let (read, problems) = read_all(&["fd00:20::/48"], None);
        assert_eq!((read.ipv4, read.mask_length, problems.as_str()), (AddressPools::default().ipv4, 24, ""));
    }

    #[test]
    fn pools_that_can_not_be_are_all_refused_with_what_would_be_right() {
        let bad = ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/30", "fd00::/96", "127.0.0.0/9", "0.0.0.0/3"];
        let (_, problems) = read_all(&bad, Some(30));
        let expected = "\
--default-addr-pool: `10.0.0.0` is not a subnet: write ADDRESS/PREFIX, such as 10.0.9.0/24
--default-addr-pool: 10.0.0.1/8 has bits set beyond its prefix: use 10.0.0.0/8
--default-addr-pool: 10.0.0.0/30 has a prefix of 30: use 4 to 29
--default-addr-pool: fd00::/96 has a prefix of 96: use 16 to 64
--default-addr-pool: 127.0.0.0/9 overlaps 127.0.0.0/8, which has a meaning of its own: use a private range, such as 10.20.0.0/16 or fd00:20::/48
--default-addr-pool: 0.0.0.0/3 has a prefix of 3: use 4 to 29
--default-addr-pool-mask-length: 30 is out of range: use 10 to 29";
        assert_eq!(problems, expected);
    }

    #[test]
    fn pools_that_overlap_or_hold_no_subnet_are_refused() {
        let (_, problems) = read_all(&["10.0.0.0/8", "10.1.0.0/16", "172.20.0.0/26"], None);
        let expected = "\
--default-addr-pool: 10.1.0.0/16 overlaps 10.0.0.0/8: leave one of them out
--default-addr-pool-mask-length: 24 makes subnets larger than the pool 172.20.0.0/26: use 26 to 29, or a larger pool";
        assert_eq!(problems, expected);
    }
}
