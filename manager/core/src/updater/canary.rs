//! Canaries: a few slots that get a new spec before a person promotes it to the others.
//!
//! Until then every other slot keeps the spec before: a task of it that is restarted, and one of a slot
//! that is added, is of that spec, so a new program does not come in by the back door.

use proto::model::{PreviousSpec, RolloutState, Service, ServiceSpec, SlotKey};
use std::sync::Arc;

/// How many slots may have the new spec; `None` if all may.
pub(super) fn limit(service: &Service) -> Option<usize> {
    holds_back(service).map(|_| service.spec.update.canary as usize)
}

/// The spec that a new task of the slot is of, and its task version.
pub(crate) fn wanted(service: &Service, slot: SlotKey) -> (&Arc<ServiceSpec>, u64) {
    let is_begun = service.rollout.as_ref().is_some_and(|rollout| rollout.slots.contains_key(&slot));
    match holds_back(service) {
        Some(previous) if !is_begun => (&previous.spec, previous.task_version),
        _ => (&service.spec, service.task_version),
    }
}

/// The spec that the slots beside the canaries keep.
fn holds_back(service: &Service) -> Option<&PreviousSpec> {
    let rollout = service.rollout.as_ref()?;
    let goes_forward = match rollout.state {
        RolloutState::Updating | RolloutState::Paused | RolloutState::Held => !rollout.promoted,
        RolloutState::Completed
        | RolloutState::RollingBack
        | RolloutState::RollbackPaused
        | RolloutState::RolledBack => false,
    };
    service.previous.as_ref().filter(|_| goes_forward && service.spec.update.canary > 0)
}
