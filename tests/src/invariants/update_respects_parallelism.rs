//! A rollout begins no slot while as many are being replaced as its spec allows.

use super::{Broken, Kept, Step};
use manager_core::state::State;
use proto::model::{DesiredState, Rollout, RolloutState, Service, SlotKey, SlotProgress};

/// Looks at the rollouts that a transaction touched.
pub(super) fn check(step: &Step<'_>) -> Kept {
    for id in step.services() {
        let Some((service, rollout)) = step.after.service(id).and_then(|it| Some((it, it.rollout.as_ref()?)))
        else {
            continue;
        };
        let config = match rollout.state {
            RolloutState::RollingBack => &service.spec.rollback,
            _ => &service.spec.update,
        };
        let most = config.parallelism as usize;
        let being_replaced =
            rollout.slots.values().filter(|slot| matches!(slot, SlotProgress::Replacing { .. })).count();
        if most > 0 && being_replaced > most && begins_a_slot(step.before, service, rollout) {
            let name = &service.spec.name;
            let what =
                format!("{being_replaced} slots of {name} are replaced at a time, and {most} are allowed");
            return Err(Broken::new("update_respects_parallelism", what));
        }
    }
    Ok(())
}

/// Whether a slot is begun that had an outdated task. Others may be replaced at any time, because they
/// failed or lost their node; the rollout only watches those.
fn begins_a_slot(before: &State, service: &Service, rollout: &Rollout) -> bool {
    let known = before.service(service.id).and_then(|service| service.rollout.as_ref());
    let was_known = |slot: &SlotKey| known.is_some_and(|known| known.slots.contains_key(slot));
    let was_outdated = |slot: &SlotKey| {
        let mut tasks = before.tasks_of(service.id).filter(|task| task.slot == *slot);
        tasks.any(|task| task.desired <= DesiredState::Running && task.task_version != service.task_version)
    };
    rollout.slots.keys().any(|slot| !was_known(slot) && was_outdated(slot))
}
