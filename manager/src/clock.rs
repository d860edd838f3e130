//! The leader's clock and its source of ids.

use proto::model::{Id, IdSource, Timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time that never steps: read once, then carried on by the monotonic clock, so that setting
/// the machine's clock makes no node look silent and no delay pass.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall: SystemTime,
}

impl Clock {
    /// A clock that agrees with the machine's at this moment.
    pub fn start() -> Self {
        Self { start: Instant::now(), wall: SystemTime::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let wall = (self.wall + self.start.elapsed()).duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Random ids from the operating system.
#[derive(Debug, Clone, Copy)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_bits(&mut self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("Linux always has randomness for a running process");
        u128::from_ne_bytes(bytes)
    }
}

/// A random secret of 25 base-36 characters.
pub fn new_secret() -> String {
    RandomIds.next_id::<proto::model::id::ClusterKind>().to_string()
}

/// Draws one id; shorter where no source is at hand.
pub fn new_id<K>() -> Id<K> {
    RandomIds.next_id()
}
