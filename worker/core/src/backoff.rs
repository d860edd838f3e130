//! How long to wait before trying a manager again.

use std::time::Duration;

/// The first wait.
pub const FIRST: Duration = Duration::from_millis(100);

/// The longest wait. With a thousand nodes trying, a manager that comes back sees a few hundred
/// calls a second.
pub const LONGEST: Duration = Duration::from_secs(8);

/// Counts failures in a row and doubles the wait with each.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes one more failure and says how long to wait: a random time between half of the step and
    /// all of it, so that nodes that lost the same manager do not come back together.
    ///
    /// `jitter` is a random number.
    pub fn after_failure(&mut self, jitter: u32) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = step / 2;
        half + half.mul_f64(f64::from(jitter) / f64::from(u32::MAX))
    }

    /// Forgets the failures, because a try succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_begins_anew_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.after_failure(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 8000, 8000]);
        backoff.reset();
        assert_eq!(backoff.after_failure(0), FIRST / 2);
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(jitters in prop::collection::vec(any::<u32>(), 1..40)) {
            let mut backoff = Backoff::default();
            for jitter in jitters {
                let wait = backoff.after_failure(jitter);
                prop_assert!(wait >= FIRST / 2 && wait <= LONGEST, "{wait:?}");
            }
        }
    }
}
