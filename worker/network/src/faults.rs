//! What could not be looked after, and when it is tried again: later each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How soon something is tried again first.
const FIRST: Duration = Duration::from_secs(2);

/// How long it takes at most until something is tried again.
const LAST: Duration = Duration::from_secs(30);

/// Why places could not be looked after.
#[derive(Debug)]
pub(crate) struct Faults<P>(BTreeMap<P, Fault>);

#[derive(Debug)]
struct Fault {
    error: String,
    pause: Duration,
    again: Instant,
}

impl<P: Ord + Clone> Faults<P> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Notes what became of a try; returns the error if it is to be said, as it is another one than before.
    pub(crate) fn note(&mut self, place: P, tried: Result<(), String>, now: Instant) -> Option<String> {
        let before = self.0.remove(&place);
        let error = tried.err()?;
        let is_known = before.as_ref().is_some_and(|before| before.error == error);
        let pause = before.map_or(FIRST, |before| (before.pause * 2).min(LAST));
        self.0.insert(place, Fault { error: error.clone(), pause, again: now + pause });
        (!is_known).then_some(error)
    }

    /// Tells whether a place could not be looked after the last time.
    pub(crate) fn has(&self, place: &P) -> bool {
        self.0.contains_key(place)
    }

    /// Returns the places whose time to be tried again has come.
    pub(crate) fn due(&self, now: Instant) -> BTreeSet<P> {
        let due = self.0.iter().filter(|(_, fault)| fault.again <= now);
        due.map(|(place, _)| place.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_later_each_time_and_said_once() {
        let (mut faults, mut now) = (Faults::new(), Instant::now());
        let failed = || Err("it is broken".to_owned());
        assert_eq!(faults.note("here", failed(), now), Some("it is broken".to_owned()));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let begun = now;
            while faults.due(now).is_empty() {
                now += Duration::from_secs(1);
            }
            pauses.push((now - begun).as_secs());
            assert_eq!(faults.note("here", failed(), now), None);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
        assert_eq!(faults.note("here", Err("otherwise".to_owned()), now), Some("otherwise".to_owned()));
        assert!(faults.has(&"here"));
        assert_eq!(faults.note("here", Ok(()), now), None);
        assert!(!faults.has(&"here"));
    }
}
