//! A set of numbers that has few gaps, as intervals: its lowest number in a range costs a logarithm.

use std::{collections::BTreeMap, ops::RangeInclusive};

/// A set of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intervals {
    /// The last number of each interval by its first; no two overlap.
    spans: BTreeMap<u32, u32>,
    len: u64,
}

impl Intervals {
    /// All numbers of a range.
    pub fn of(range: RangeInclusive<u32>) -> Self {
        let mut set = Self::default();
        set.add_span(*range.start(), *range.end());
        set
    }

    /// How many numbers it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Takes the numbers of a range out, as far as they are there.
    pub fn remove(&mut self, range: RangeInclusive<u32>) {
        let (first, last) = range.into_inner();
        while let Some((from, to)) = self.last_span_until(last).filter(|&(_, to)| to >= first) {
            self.spans.remove(&from);
            self.len -= u64::from(to - from) + 1;
            if to > last {
                self.add_span(last + 1, to);
            }
            if from < first {
                self.add_span(from, first - 1);
            }
        }
    }

    /// Its lowest number in a range.
    pub fn lowest_in(&self, range: &RangeInclusive<u32>) -> Option<u32> {
        let (&first, &last) = (range.start(), range.end());
        if let Some((_, to)) = self.last_span_until(first)
            && to >= first
        {
            return (first <= last).then_some(first);
        }
        self.spans.range(first..).next().map(|(&from, _)| from).filter(|&from| from <= last)
    }

    /// Its highest number in a range.
    pub fn highest_in(&self, range: &RangeInclusive<u32>) -> Option<u32> {
        let (_, to) = self.last_span_until(*range.end())?;
        let highest = to.min(*range.end());
        (highest >= *range.start()).then_some(highest)
    }

    /// The last interval that begins at a number or before it.
    fn last_span_until(&self, number: u32) -> Option<(u32, u32)> {
        self.spans.range(..=number).next_back().map(|(&from, &to)| (from, to))
    }

    fn add_span(&mut self, first: u32, last: u32) {
        if first <= last {
            self.spans.insert(first, last);
            self.len += u64::from(last - first) + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_the_set_it_stands_for(
            removed in prop::collection::vec((0u32..70, 0u32..12), 0..12),
            (from, len) in (0u32..70, 0u32..20),
        ) {
            let mut set = Intervals::of(3..=60);
            let mut oracle: BTreeSet<u32> = (3..=60).collect();
            for (first, more) in removed {
                set.remove(first..=first + more);
                oracle.retain(|number| !(first..=first + more).contains(number));
            }
            let range = from..=from + len;
            prop_assert_eq!(set.len(), oracle.len() as u64);
            prop_assert_eq!(set.lowest_in(&range), oracle.range(range.clone()).next().copied());
            prop_assert_eq!(set.highest_in(&range), oracle.range(range).next_back().copied());
        }
    }
}
