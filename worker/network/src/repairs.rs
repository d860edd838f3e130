//! What is known of repairs of one network: what is found and not yet put back, how many there were, and when.

use std::fmt::Display;
use std::time::SystemTime;

use tracing::warn;

/// Differences that are logged one by one; of more only the number is.
const SAID_MAX: usize = 8;

/// How often something of a network was put back since the daemon started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repairs {
    /// How often.
    pub count: u64,
    /// When it was last.
    pub last: Option<SystemTime>,
}

/// What a look at one network gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What is not as it should be, in words.
    pub differences: Vec<String>,
    /// What was put back before.
    pub repairs: Repairs,
}

/// The repairs of one network, under way and done.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    repairs: Repairs,
    /// What was found, in words, and is not put back yet.
    found: Vec<String>,
}

impl Journal {
    /// Notes what is to be put back, which may take several tries.
    pub(crate) fn find(&mut self, differences: Vec<String>) {
        for found in differences {
            if !self.found.contains(&found) {
                self.found.push(found);
            }
        }
    }

    /// Notes that all that was found is put back, and says it.
    pub(crate) fn put_back(&mut self, network: &dyn Display) {
        let found = std::mem::take(&mut self.found);
        self.note(network, &found);
    }

    /// Notes that differences were found and put back at once, and says each.
    pub(crate) fn note(&mut self, network: &dyn Display, differences: &[String]) {
        if differences.is_empty() {
            return;
        }
        self.repairs.count += 1;
        self.repairs.last = Some(SystemTime::now());
        for found in differences.iter().take(SAID_MAX) {
            warn!(%network, %found, "something else changed a network; it was put back");
        }
        if let Some(more @ 1..) = differences.len().checked_sub(SAID_MAX) {
            warn!(%network, more, "something else changed a network; it was put back");
        }
    }

    /// Returns what was put back.
    pub(crate) fn repairs(&self) -> Repairs {
        self.repairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_several_tries_is_noted_once_it_is_put_back() {
        let mut journal = Journal::default();
        journal.find(vec!["the link is missing".to_owned()]);
        journal.find(vec!["the link is missing".to_owned(), "the route is missing".to_owned()]);
        assert_eq!((journal.repairs().count, journal.found.len()), (0, 2));
        journal.put_back(&"front");
        journal.put_back(&"front");
        assert_eq!((journal.repairs().count, journal.found.len()), (1, 0));
    }
}
