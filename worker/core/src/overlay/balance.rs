//! Which backend each slot of a virtual address leads to.
//!
//! A new connection takes the next slot of its virtual address; each backend fills several, nearly as many as any other.

use std::collections::BTreeSet;

/// How many slots a virtual address has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier(u16);

impl Tier {
    /// All tiers, in the order in which they are looked up. Few backends have a slot each, which is what most services
    /// cost to load; more of them share the slots of a tier evenly enough.
    pub const ALL: [Self; 11] = [
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
        Self(8),
        Self(64),
        Self(256),
        Self(4096),
    ];

    /// Returns the number of slots; backends beyond the 4096th get none.
    pub fn slots(self) -> usize {
        usize::from(self.0)
    }

    /// Chooses the tier in which no backend gets more than 5 connections where another gets 4, up to 1024 backends.
    pub fn for_backends(count: usize) -> Self {
        let is_even = |tier: &&Self| count == tier.slots() || count * 4 <= tier.slots();
        let [.., last] = Self::ALL;
        *Self::ALL.iter().find(is_even).unwrap_or(&last)
    }
}

/// Fills the slots; a virtual address without backends has none. Nodes with different turns begin with different
/// backends: many nodes with a connection or two each would else all choose the first.
pub fn slots<B: Copy>(backends: &BTreeSet<B>, turn: u32) -> impl Iterator<Item = (Tier, usize, B)> + '_ {
    let tier = Tier::for_backends(backends.len());
    let first = turn as usize % backends.len().max(1);
    backends
        .iter()
        .cycle()
        .skip(first)
        .take(tier.slots())
        .enumerate()
        .map(move |(slot, backend)| (tier, slot, *backend))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use super::*;

    fn backends(count: u32) -> BTreeSet<IpAddr> {
        (0..count).map(|number| IpAddr::from((0x0a00_0000 + number).to_be_bytes())).collect()
    }

    #[test]
    fn every_backend_gets_nearly_as_many_slots_as_any_other() {
        for count in 1..=1024 {
            let backends = backends(count);
            let mut shares = BTreeMap::new();
            slots(&backends, 0).for_each(|(_, _, backend)| *shares.entry(backend).or_insert(0) += 1);
            let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
            assert_eq!(shares.len(), backends.len());
            assert!(most * 4 <= least * 5, "{count} backends: {least} to {most} slots");
            assert!(most - least <= 1);
        }
    }

    #[test]
    fn nodes_begin_with_different_backends() {
        let backends = backends(3);
        let first = |turn| slots(&backends, turn).next().unwrap().2;
        assert_eq!(BTreeSet::from([first(5), first(6), first(7)]), backends);
    }

    #[test]
    fn without_backends_there_are_no_slots() {
        assert_eq!(slots(&BTreeSet::<IpAddr>::new(), 7).count(), 0);
    }
}
