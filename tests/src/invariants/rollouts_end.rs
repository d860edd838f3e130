//! Every rollout ends, or says what it waits for.

use super::{Broken, Kept, converged};
use manager_core::state::State;

/// Looks at every rollout.
pub(super) fn check(state: &State) -> Kept {
    for service in state.services() {
        let Some(rollout) = &service.rollout else { continue };
        let waits = rollout.message.contains("wait") || converged::is_held_up(state, service);
        let is_good = match rollout.state.in_progress() {
            true => waits,
            false => !rollout.message.is_empty() && rollout.ended_at.is_some(),
        };
        if !is_good {
            let what =
                format!("the rollout of {} is {}: {}", service.spec.name, rollout.state, rollout.message);
            return Err(Broken::new("rollouts_end", what));
        }
    }
    Ok(())
}
