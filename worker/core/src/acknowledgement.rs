//! What a node has to say in a session of how far its kernel is with networks.
//!
//! Each word says all that those before it did, so only the newest has to arrive.

use crate::sequence::{Sequence, Verdict};
use proto::model::{CarriedOut, NetworkId};
use std::{
    collections::{BTreeSet, VecDeque},
    mem,
};

/// How far the kernel is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// It has this edition of what is known of networks, see [`Known::edition`](crate::known::Known::edition),
    pub edition: u64,
    /// but for these networks.
    pub lacking: BTreeSet<NetworkId>,
}

/// The assignments of one session, and what is said of them.
#[derive(Debug, Default)]
pub struct Acknowledgement {
    sequence: Sequence,
    /// Assignments that were not spoken of: their number, and the edition that they led to.
    under_way: VecDeque<(u64, u64)>,
    /// The last of the others.
    spoken_of: Option<u64>,
    newest: CarriedOut,
    is_unsaid: bool,
}

impl Acknowledgement {
    /// Whether assignments are the next ones. Of others nothing counts: after a gap they would be taken for what is
    /// missing as well.
    pub fn is_next(&mut self, full: bool, sequence: u64) -> bool {
        self.sequence.judge(full, sequence) == Verdict::Apply
    }

    /// Notes the edition that assignments led to.
    pub fn told(&mut self, sequence: u64, edition: u64) {
        self.under_way.push_back((sequence, edition));
    }

    /// Takes in how far the kernel is.
    pub fn reached(&mut self, progress: &Progress) {
        let done = self.under_way.partition_point(|(_, edition)| *edition <= progress.edition);
        let last = self.under_way.drain(..done).next_back().map(|(sequence, _)| sequence);
        self.spoken_of = last.or(self.spoken_of);
        let Some(sequence) = self.spoken_of else { return };
        let word = match progress.lacking.is_empty() {
            true => CarriedOut { sequence, ..CarriedOut::default() },
            false => CarriedOut {
                sequence: self.newest.sequence,
                partly: sequence,
                lacking: progress.lacking.clone(),
            },
        };
        self.is_unsaid |= word != self.newest;
        self.newest = word;
    }

    /// Whether there is something to say that the managers were not told.
    pub fn has_word(&self) -> bool {
        self.is_unsaid
    }

    /// Takes the word that is to be said now, if there is one.
    pub fn say(&mut self) -> Option<CarriedOut> {
        mem::take(&mut self.is_unsaid).then(|| self.newest.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u128) -> NetworkId {
        NetworkId::from_bits(number)
    }

    fn reached(edition: u64, lacking: &[u128]) -> Progress {
        Progress { edition, lacking: lacking.iter().copied().map(network).collect() }
    }

    fn but(sequence: u64, partly: u64, lacking: u128) -> Option<CarriedOut> {
        Some(CarriedOut { sequence, partly, lacking: [network(lacking)].into() })
    }

    fn all(sequence: u64) -> Option<CarriedOut> {
        Some(CarriedOut { sequence, ..CarriedOut::default() })
    }

    /// What is said once the kernel is that far.
    fn said(acknowledgement: &mut Acknowledgement, progress: &Progress) -> Option<CarriedOut> {
        acknowledgement.reached(progress);
        acknowledgement.say()
    }

    #[test]
    fn assignments_are_spoken_of_once_their_edition_is_in_the_kernel() {
        let mut it = Acknowledgement::default();
        assert_eq!(said(&mut it, &reached(7, &[])), None, "nothing was told in this session");
        it.told(1, 7);
        it.told(2, 8);
        it.told(3, 8);
        assert_eq!(said(&mut it, &reached(7, &[])), all(1));
        assert_eq!(said(&mut it, &reached(7, &[])), None);
        assert_eq!(said(&mut it, &reached(8, &[])), all(3));
    }

    #[test]
    fn what_could_not_be_said_is_said_later_with_all_that_came_meanwhile() {
        let mut it = Acknowledgement::default();
        for sequence in 1..=3 {
            it.told(sequence, sequence);
            it.reached(&reached(sequence, &[]));
        }
        assert!(it.has_word());
        assert_eq!(it.say(), all(3));
        assert!(!it.has_word());
    }

    #[test]
    fn a_network_that_is_lacking_is_named_until_it_is_there_too() {
        let mut it = Acknowledgement::default();
        it.told(1, 1);
        assert_eq!(said(&mut it, &reached(1, &[])), all(1));
        it.told(2, 2);
        assert_eq!(said(&mut it, &reached(2, &[9])), but(1, 2, 9));
        it.told(3, 3);
        assert_eq!(said(&mut it, &reached(2, &[9])), None);
        assert_eq!(said(&mut it, &reached(3, &[9])), but(1, 3, 9));
        assert_eq!(said(&mut it, &reached(3, &[8])), but(1, 3, 8));
        assert_eq!(said(&mut it, &reached(3, &[])), all(3));
    }

    #[test]
    fn assignments_after_a_gap_and_repeated_ones_do_not_count() {
        let mut it = Acknowledgement::default();
        let next = |it: &mut Acknowledgement, full, sequence| it.is_next(full, sequence);
        assert!(next(&mut it, true, 1) && next(&mut it, false, 2));
        assert!(!next(&mut it, false, 2) && !next(&mut it, false, 4) && !next(&mut it, false, 3));
    }
}
