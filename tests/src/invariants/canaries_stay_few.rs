//! Before an update is promoted, it begins no more slots than it may have canaries.
//!
//! Seen red: without the bound in `View::begin_slots`.

use super::{Broken, Kept, Step};
use proto::model::{DesiredState, SlotKey};

/// Looks at the rollouts that a transaction touched.
pub(super) fn check(step: &Step<'_>) -> Kept {
    for id in step.services() {
        let Some(service) = step.after.service(id) else { continue };
        let Some(rollout) = service.rollout.as_ref().filter(|it| it.state.is_unsettled() && !it.promoted)
        else {
            continue;
        };
        let canaries = service.spec.update.canary as usize;
        let known = step.before.service(id).and_then(|service| service.rollout.as_ref());
        let was_known = |slot: &SlotKey| known.is_some_and(|known| known.slots.contains_key(slot));
        let is_outdated = |slot: &SlotKey| {
            let mut tasks = step.before.tasks_of(id).filter(|task| task.slot == *slot);
            tasks.any(|task| {
                task.desired <= DesiredState::Running && task.task_version != service.task_version
            })
        };
        let begins = rollout.slots.keys().any(|slot| !was_known(slot) && is_outdated(slot));
        if canaries > 0 && begins && rollout.slots.len() > canaries {
            let (name, begun) = (&service.spec.name, rollout.slots.len());
            let what =
                format!("{begun} slots of {name} were begun, and {canaries} may be before it is promoted");
            return Err(Broken::new("canaries_stay_few", what));
        }
    }
    Ok(())
}
