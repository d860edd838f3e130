//! The numbers of one network while something is being decided: what the state says is held, and what
//! was given out since.

#[cfg(test)]
mod tests;

use super::intervals::Intervals;
use crate::{networks::addresses_of, state::State};
use proto::model::{BLOCK_SIZE, Network, NetworkKind, Node, NodeId, NodeLease};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

/// A range with fewer blocks than this has none to give to nodes.
const BLOCKS_MIN: u32 = 2;

/// The numbers of a network.
#[derive(Debug, Clone)]
pub struct Numbers<'a> {
    network: &'a Network,
    /// Those that nobody holds.
    free: Intervals,
    /// Of these, those that lie in no node's block.
    loose: Intervals,
    /// The blocks that no node has.
    blocks: Intervals,
    /// The leases that were made or extended here.
    leases: BTreeMap<NodeId, NodeLease>,
}

/// A number for a task on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The number.
    pub number: u32,
    /// What the node holds from now on, if that is news.
    pub lease: Option<NodeLease>,
}

/// Whether a number of a network may be given to anyone at all.
pub fn is_usable(network: &Network, number: u32) -> bool {
    let has_meaning_in_ipv6 = network.ipv6.is_some_and(|pool| {
        let address = pool.address(number);
        address == pool.gateway || address == pool.subnet.network()
    });
    network.ipv4.is_free_for_use(number) && !has_meaning_in_ipv6
}

/// How many numbers of a network can be given out.
pub fn total(network: &Network) -> u32 {
    let count = Numbers::new(network, [], []).free.len();
    u32::try_from(count).expect("an IPv4 subnet has fewer than 2^32 addresses")
}

/// The blocks that lie in a range with all their numbers.
pub fn whole_blocks(numbers: &RangeInclusive<u32>) -> std::ops::Range<u32> {
    let end = numbers.end().saturating_add(1);
    numbers.start().div_ceil(BLOCK_SIZE)..end / BLOCK_SIZE
}

/// The numbers of a block.
fn numbers_of(block: u32) -> RangeInclusive<u32> {
    block * BLOCK_SIZE..=block * BLOCK_SIZE + (BLOCK_SIZE - 1)
}

/// Where virtual addresses are taken from first: the last quarter of the range.
fn top_quarter(numbers: &RangeInclusive<u32>) -> RangeInclusive<u32> {
    let count = numbers.end() - numbers.start() + 1;
    numbers.end() - (count / 4).max(1) + 1..=*numbers.end()
}

impl<'a> Numbers<'a> {
    /// The numbers of a network as the state has them.
    pub fn of(state: &State, network: &'a Network) -> Self {
        let held =
            state.held_in(network.id).map(|(number, _)| number).chain(numbers_of_nodes(state, network));
        Self::new(network, held, state.blocks_in(network.id).map(|(block, _)| block))
    }

    /// The numbers of a network of which some are held, and some blocks are leased.
    fn new(
        network: &'a Network,
        held: impl IntoIterator<Item = u32>,
        leased: impl IntoIterator<Item = u32>,
    ) -> Self {
        let range = network.ipv4.numbers();
        let mut free = Intervals::of(range.clone());
        for unusable in meaningful(network).into_iter().chain(held) {
            free.remove(unusable..=unusable);
        }
        let below_top = *range.start()..=top_quarter(&range).start().saturating_sub(1);
        let whole = whole_blocks(&below_top);
        let has_routers = network.spec.kind.has_routers();
        let has_blocks =
            has_routers && range.end() - range.start() + 1 >= BLOCKS_MIN * BLOCK_SIZE && !whole.is_empty();
        let mut blocks =
            if has_blocks { Intervals::of(whole.start..=whole.end - 1) } else { Intervals::default() };
        let mut loose = free.clone();
        for block in leased {
            blocks.remove(block..=block);
            loose.remove(numbers_of(block));
        }
        Self { network, free, loose, blocks, leases: BTreeMap::new() }
    }

    /// How many numbers nobody holds.
    pub fn left(&self) -> u32 {
        u32::try_from(self.free.len()).expect("an IPv4 subnet has fewer than 2^32 addresses")
    }

    /// How many numbers are held.
    pub fn used(&self) -> u32 {
        total(self.network) - self.left()
    }

    /// What a node holds of the network.
    pub fn lease_of(&self, node: NodeId) -> Option<&NodeLease> {
        self.leases.get(&node).or_else(|| self.network.nodes.get(&node))
    }

    /// The nodes that take part.
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.network.nodes.keys().chain(self.leases.keys()).copied().collect()
    }

    /// Whether there is a number for another task on a node, and one for the node if it is new here.
    pub fn has_room_on(&self, node: NodeId) -> bool {
        self.left() >= if self.takes_part(node) { 1 } else { 2 }
    }

    /// Whether a node needs nothing more of the network for itself.
    fn takes_part(&self, node: NodeId) -> bool {
        !self.network.spec.kind.has_routers() || self.lease_of(node).is_some()
    }

    /// Whether the last number is for nodes only that take part already.
    pub fn is_scarce(&self) -> bool {
        self.network.spec.kind.has_routers() && self.left() == 1
    }

    /// Gives a service its virtual address.
    pub fn take_vip(&mut self) -> Option<u32> {
        let range = self.network.ipv4.numbers();
        let number = self
            .free
            .highest_in(&top_quarter(&range))
            .or_else(|| self.loose.highest_in(&range))
            .or_else(|| self.free.highest_in(&range))?;
        self.take(number);
        Some(number)
    }

    /// Takes a node in: its router gets a number. Answers with what the node holds from now on; `None`
    /// if it takes part already, or nothing is left.
    pub fn join(&mut self, node: NodeId) -> Option<NodeLease> {
        if self.lease_of(node).is_some() {
            return None;
        }
        let block = self.take_block();
        let number = match block {
            Some(block) => self.free.lowest_in(&numbers_of(block)),
            None => self.single(),
        }?;
        self.take(number);
        let lease = NodeLease { number, blocks: block.into_iter().collect() };
        self.leases.insert(node, lease.clone());
        Some(lease)
    }

    /// Gives a task on a node its number, and takes the node in if it is new here. Of the free numbers
    /// those `resting` are taken last: they were in use a short while ago.
    pub fn place(&mut self, node: NodeId, resting: &BTreeSet<u32>) -> Option<Placed> {
        if !self.has_room_on(node) {
            return None;
        }
        if !self.network.spec.kind.has_routers() {
            let number = self.lowest_free(resting)?;
            self.take(number);
            return Some(Placed { number, lease: None });
        }
        let joined = self.join(node);
        let blocks = self.lease_of(node)?.blocks.clone();
        let (number, extended) = match self.lowest_in_blocks(&blocks, resting) {
            Some(number) => (number, None),
            None => match self.take_block() {
                Some(block) => (self.free.lowest_in(&numbers_of(block))?, self.extend(node, block)),
                None => (self.single()?, None),
            },
        };
        self.take(number);
        Some(Placed { number, lease: extended.or(joined) })
    }

    fn lowest_in_blocks(&self, blocks: &BTreeSet<u32>, resting: &BTreeSet<u32>) -> Option<u32> {
        let free = || blocks.iter().flat_map(|&block| self.free_in(block));
        free().find(|number| !resting.contains(number)).or_else(|| free().next())
    }

    fn lowest_free(&self, resting: &BTreeSet<u32>) -> Option<u32> {
        let (first, last) = self.network.ipv4.numbers().into_inner();
        let next = move |from: u32| self.free.lowest_in(&(from..=last));
        let free = || std::iter::successors(next(first), move |&number| next(number.checked_add(1)?));
        free().find(|number| !resting.contains(number)).or_else(|| free().next())
    }

    fn free_in(&self, block: u32) -> impl Iterator<Item = u32> {
        let (first, last) = numbers_of(block).into_inner();
        let next = move |from: u32| self.free.lowest_in(&(from..=last));
        std::iter::successors(next(first), move |&number| next(number + 1))
    }

    /// Takes the lowest block that has a number left.
    fn take_block(&mut self) -> Option<u32> {
        loop {
            let block = self.blocks.lowest_in(&(0..=u32::MAX))?;
            self.blocks.remove(block..=block);
            if self.free.lowest_in(&numbers_of(block)).is_some() {
                self.loose.remove(numbers_of(block));
                return Some(block);
            }
        }
    }

    fn extend(&mut self, node: NodeId, block: u32) -> Option<NodeLease> {
        let mut lease = self.lease_of(node)?.clone();
        lease.blocks.insert(block);
        self.leases.insert(node, lease.clone());
        Some(lease)
    }

    /// A number beside the blocks; from another node's block if there is no other.
    fn single(&self) -> Option<u32> {
        let range = self.network.ipv4.numbers();
        self.loose.lowest_in(&range).or_else(|| self.free.highest_in(&range))
    }

    fn take(&mut self, number: u32) {
        self.free.remove(number..=number);
        self.loose.remove(number..=number);
    }
}

/// The numbers that nodes themselves have on the link that a network is on: of all addresses they say they have, or are
/// reached by.
fn numbers_of_nodes(state: &State, network: &Network) -> Vec<u32> {
    if !matches!(network.spec.kind, NetworkKind::Macvlan(_)) {
        return Vec::new();
    }
    let subnet = network.ipv4.subnet;
    let number = |address| match address {
        IpAddr::V4(address) => {
            subnet.contains(&address).then(|| u32::from(address) - u32::from(subnet.network()))
        }
        IpAddr::V6(address) => {
            let subnet = network.ipv6.map(|pool| pool.subnet).filter(|subnet| subnet.contains(&address))?;
            u32::try_from(u128::from(address) - u128::from(subnet.network())).ok()
        }
    };
    let own = |node: &Node| node.description.iter().flat_map(|said| &said.addresses).copied().collect();
    let all = |node: &Node| -> Vec<IpAddr> { addresses_of(node).chain::<Vec<IpAddr>>(own(node)).collect() };
    state.nodes().flat_map(|node| all(node)).filter_map(number).collect()
}

/// The numbers of the range that have a meaning of their own.
fn meaningful(network: &Network) -> BTreeSet<u32> {
    let first = u32::from(network.ipv4.subnet.network());
    let mut numbers = BTreeSet::from([
        0,
        u32::from(network.ipv4.subnet.broadcast()) - first,
        u32::from(network.ipv4.gateway).wrapping_sub(first),
    ]);
    if let Some(pool) = network.ipv6 {
        let gateway = u128::from(pool.gateway).wrapping_sub(u128::from(pool.subnet.network()));
        numbers.extend(u32::try_from(gateway));
    }
    numbers
}
