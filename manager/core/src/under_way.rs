//! What a session's node was told of networks, and how much of that it said is in its kernel.

use proto::model::{CarriedOut, NetworkId};
use std::collections::{BTreeSet, VecDeque};

/// What a node's kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// All that there was to tell in this version of the state,
    pub version: u64,
    /// but for these networks.
    pub lacking: BTreeSet<NetworkId>,
}

/// The assignments of a session and the versions of the state that they tell of.
#[derive(Debug, Default)]
pub struct UnderWay {
    /// Those that the node has not spoken of, by their sequence, and the version of the state up to which they tell.
    sent: VecDeque<(u64, u64)>,
    /// The last that it has spoken of, likewise.
    last: Option<(u64, u64)>,
    /// What was still lacking then.
    lacking: BTreeSet<NetworkId>,
}

impl UnderWay {
    /// Notes assignments that tell all there is in a version of the state.
    pub fn told(&mut self, sequence: u64, version: u64) {
        self.sent.push_back((sequence, version));
    }

    /// Notes that in a version of the state there is nothing that the node was not told; gives what its kernel has, if
    /// that follows.
    pub fn nothing_to_tell(&mut self, version: u64) -> Option<Reached> {
        if let Some((_, told)) = self.sent.back_mut() {
            *told = version;
            return None;
        }
        let (_, known) = self.last.as_mut()?;
        *known = version;
        Some(Reached { version, lacking: self.lacking.clone() })
    }

    /// Takes a node's word; gives what its kernel has, the older first.
    pub fn carried_out(&mut self, said: CarriedOut) -> Vec<Reached> {
        let whole = self.reach(said.sequence).map(|version| Reached { version, ..Reached::default() });
        if whole.is_some() {
            self.lacking.clear();
        }
        let partly = self.reach(said.partly).filter(|_| said.partly > said.sequence);
        let partly = partly.map(|version| {
            self.lacking.clone_from(&said.lacking);
            Reached { version, lacking: said.lacking }
        });
        whole.into_iter().chain(partly).collect()
    }

    /// The version of the state that assignments tell of, unless the node has spoken of later ones.
    fn reach(&mut self, sequence: u64) -> Option<u64> {
        let done = self.sent.partition_point(|(its, _)| *its <= sequence);
        self.last = self.sent.drain(..done).next_back().or(self.last);
        self.last.filter(|(last, _)| *last <= sequence).map(|(_, version)| version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u128) -> NetworkId {
        NetworkId::from_bits(number)
    }

    fn reached(version: u64, lacking: impl IntoIterator<Item = u128>) -> Reached {
        Reached { version, lacking: lacking.into_iter().map(network).collect() }
    }

    fn all(sequence: u64) -> CarriedOut {
        CarriedOut { sequence, ..CarriedOut::default() }
    }

    fn but(sequence: u64, partly: u64, lacking: u128) -> CarriedOut {
        CarriedOut { sequence, partly, lacking: [network(lacking)].into() }
    }

    #[test]
    fn what_is_carried_out_reaches_as_far_as_the_last_assignments_tell() {
        let mut under_way = UnderWay::default();
        assert_eq!(under_way.nothing_to_tell(9), None, "it was told nothing yet");
        under_way.told(1, 10);
        under_way.told(2, 12);
        assert_eq!(under_way.nothing_to_tell(15), None);
        assert_eq!(under_way.carried_out(all(1)), [reached(10, [])]);
        assert_eq!(under_way.carried_out(all(2)), [reached(15, [])]);
        assert_eq!(under_way.nothing_to_tell(20), Some(reached(20, [])));
    }

    #[test]
    fn a_network_that_is_lacking_keeps_the_others_from_nothing_and_may_come_later() {
        let mut under_way = UnderWay::default();
        for sequence in 1..=3 {
            under_way.told(sequence, 10 * sequence);
        }
        assert_eq!(under_way.carried_out(but(1, 3, 7)), [reached(10, []), reached(30, [7])]);
        assert_eq!(under_way.nothing_to_tell(35), Some(reached(35, [7])));
        under_way.told(4, 40);
        assert_eq!(under_way.carried_out(but(1, 4, 8)), [reached(40, [8])]);
        assert_eq!(under_way.carried_out(all(4)), [reached(40, [])]);
        assert_eq!(under_way.nothing_to_tell(45), Some(reached(45, [])));
    }

    #[test]
    fn words_of_assignments_that_were_never_sent_reach_what_was() {
        let mut under_way = UnderWay::default();
        assert_eq!(under_way.carried_out(all(9)), []);
        under_way.told(1, 10);
        assert_eq!(under_way.carried_out(CarriedOut::default()), []);
        assert_eq!(under_way.carried_out(all(9)), [reached(10, [])]);
    }
}
