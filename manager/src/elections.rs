//! Breaking ties between candidates.
//!
//! openraft draws its election timeout once for each process. Two candidates that split the votes
//! once, because their timers ran out together, would do so again and again. One that still sees no
//! leader when it should have won stands again after a time drawn anew.

use crate::{
    clock::RandomIds,
    raft::{ELECTION_MS, Raft, RaftId},
};
use proto::model::IdSource;
use std::time::Duration;
use tracing::{info, warn};

/// Stands again for election while there is no leader, until the group stops.
pub async fn run(raft: Raft, me: RaftId) {
    let mut metrics = raft.server_metrics();
    loop {
        if metrics.wait_for(|metrics| metrics.current_leader.is_none()).await.is_err() {
            return;
        }
        let pause = pause(&mut RandomIds);
        let led = metrics.wait_for(|metrics| metrics.current_leader.is_some());
        match tokio::time::timeout(pause, led).await {
            Ok(Ok(_)) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        let is_voter = metrics.borrow().membership_config.membership().voter_ids().any(|id| id == me);
        if is_voter {
            info!(waited = ?pause, "there is still no leader: standing for election again");
            if let Err(error) = raft.trigger().elect().await {
                warn!(%error, "cannot stand for election");
                return;
            }
        }
    }
}

/// Between one and three times the longest election timeout, so that openraft's own timer comes first.
fn pause(random: &mut dyn IdSource) -> Duration {
    let longest = ELECTION_MS.end;
    let drawn = random.next_bits() % u128::from(2 * longest);
    Duration::from_millis(longest) + Duration::from_millis(u64::try_from(drawn).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u128);
    impl IdSource for Always {
        fn next_bits(&mut self) -> u128 {
            self.0
        }
    }

    #[test]
    fn candidates_wait_for_different_times_and_never_forever() {
        let pauses = [0, 700, u128::MAX].map(|bits| pause(&mut Always(bits)));
        let longest = Duration::from_millis(ELECTION_MS.end);
        assert!(pauses.iter().all(|pause| (longest..3 * longest).contains(pause)), "{pauses:?}");
        assert_ne!(pauses[0], pauses[1]);
    }
}
