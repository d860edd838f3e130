//! What is known of repairs of one network: how many, and when.

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

impl Repairs {
    /// Notes that differences were repaired, and says each.
    pub(crate) fn note(&mut self, network: &dyn Display, differences: &[String]) {
        self.count += 1;
        self.last = Some(SystemTime::now());
        for found in differences.iter().take(SAID_MAX) {
            warn!(%network, %found, "something else changed a network; it was put back");
        }
        if let Some(more @ 1..) = differences.len().checked_sub(SAID_MAX) {
            warn!(%network, more, "something else changed a network; it was put back");
        }
    }
}

/// What a look at one network gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What is not as it should be, in words.
    pub differences: Vec<String>,
    /// What was put back before.
    pub repairs: Repairs,
}
