//! Which host number a task gets: the lowest that is free and has rested since its last use.

use std::collections::{BTreeSet, VecDeque};

use super::addressing::FIRST_NUMBER;
use super::subnet::Ipv4Subnet;

/// How many released numbers rest at most before the oldest is given out again.
///
/// Late packets of the last owner, and peers that still have its address cached, need some time to go away.
const RESTING_MAX: usize = 256;

/// The host numbers of one subnet.
#[derive(Debug, Clone)]
pub struct LeasePool {
    last: u32,
    held: BTreeSet<u32>,
    resting: VecDeque<u32>,
}

impl LeasePool {
    /// Makes a pool in which everything is free.
    pub fn new(subnet: &Ipv4Subnet) -> Self {
        Self { last: subnet.last_number(), held: BTreeSet::new(), resting: VecDeque::new() }
    }

    /// Takes a number; `None` when all are held.
    pub fn take(&mut self) -> Option<u32> {
        let number = match self.lowest_rested() {
            Some(number) => number,
            None => self.resting.pop_front()?,
        };
        self.held.insert(number);
        Some(number)
    }

    /// Takes this very number, as a restarted daemon does; tells whether it was free.
    pub fn take_exactly(&mut self, number: u32) -> bool {
        self.resting.retain(|resting| *resting != number);
        self.held.insert(number)
    }

    /// Gives a number back, to rest.
    pub fn give_back(&mut self, number: u32) {
        if !self.held.remove(&number) {
            return;
        }
        if self.resting.len() == RESTING_MAX {
            self.resting.pop_front();
        }
        self.resting.push_back(number);
    }

    /// Returns how many numbers the pool has in all.
    pub fn size(&self) -> u32 {
        self.last - FIRST_NUMBER + 1
    }

    fn lowest_rested(&self) -> Option<u32> {
        (FIRST_NUMBER..=self.last)
            .find(|number| !self.held.contains(number) && !self.resting.contains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool_of_five() -> LeasePool {
        LeasePool::new(&"10.0.0.0/29".parse().unwrap())
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut pool = pool_of_five();
        assert_eq!([pool.take(), pool.take()], [Some(2), Some(3)]);
    }

    #[test]
    fn a_released_number_rests_while_others_are_free() {
        let mut pool = pool_of_five();
        pool.take();
        pool.give_back(2);
        assert_eq!(pool.take(), Some(3));
    }

    #[test]
    fn the_longest_rested_number_comes_back_first_when_nothing_else_is_free() {
        let mut pool = pool_of_five();
        while pool.take().is_some() {}
        for number in [5, 3, 4] {
            pool.give_back(number);
        }
        assert_eq!([pool.take(), pool.take(), pool.take(), pool.take()], [Some(5), Some(3), Some(4), None]);
    }

    #[test]
    fn a_number_is_never_held_twice() {
        let mut pool = pool_of_five();
        assert!(pool.take_exactly(2));
        assert!(!pool.take_exactly(2));
        assert_eq!(pool.take(), Some(3));
    }

    #[test]
    fn giving_back_twice_rests_once() {
        let mut pool = pool_of_five();
        while pool.take().is_some() {}
        pool.give_back(4);
        pool.give_back(4);
        assert_eq!([pool.take(), pool.take()], [Some(4), None]);
    }
}
