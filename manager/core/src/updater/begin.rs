//! Beginning a rollout: what a request, or a failed update, makes of a service.

use proto::model::{
    PreviousSpec, RestartHistory, Rollout, RolloutState, Service, ServiceId, ServiceSpec, SlotKey, Timestamp,
};
use std::{collections::BTreeMap, sync::Arc};

/// Says why a service can't be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// It was never updated, or the last update was rolled back already.
    #[error("service `{0}` has no previous spec to roll back to")]
    NoPrevious(String),
}

/// A service as it is created. The state gives it its versions.
pub fn new_service(id: ServiceId, spec: ServiceSpec, now: Timestamp) -> Service {
    Service {
        id,
        version: 0,
        spec_version: 0,
        created_at: now,
        updated_at: now,
        spec: Arc::new(spec),
        task_version: 1,
        previous: None,
        rollout: None,
        restarts: BTreeMap::new(),
        removing: false,
        vips: BTreeMap::new(),
        chosen_ports: BTreeMap::new(),
    }
}

/// A service with the spec that a user now asks for.
///
/// If its tasks have to be different, a rollout begins, in place of one that may be in progress. If
/// only replicas or labels differ, a rollout goes on, or stays paused, as it is; any other update
/// resumes a paused one, as docker has it, even one that changes nothing.
///
/// `previous` becomes the spec replaced, unless that one was never rolled out completely: going back
/// is always to a spec that every task had. A change of the replica count alone is nothing to go back
/// from.
pub fn begin_update(service: &Service, spec: ServiceSpec, now: Timestamp) -> Service {
    let before = &service.spec;
    let scaled_only = ServiceSpec { mode: before.mode, ..spec.clone() } == **before;
    let beside_tasks =
        ServiceSpec { labels: before.labels.clone(), mode: before.mode, ..spec.clone() } == **before;
    let changed = spec != **before;
    if !spec.needs_new_tasks(before) {
        let previous = if scaled_only { service.previous.clone() } else { Some(previous_of(service)) };
        let rollout = go_on(service.rollout.as_ref(), changed && beside_tasks, now);
        return Service { spec: Arc::new(spec), previous, rollout, updated_at: now, ..service.clone() };
    }
    let returns_to = service.previous.as_ref().filter(|previous| !spec.needs_new_tasks(&previous.spec));
    let (task_version, previous) = match returns_to {
        // Done by hand, but still a way back: tasks that kept the version need no replacement.
        Some(previous) => (previous.task_version, present_of(service)),
        None => (next_task_version(service), previous_of(service)),
    };
    Service {
        spec: Arc::new(spec),
        task_version,
        previous: Some(previous),
        rollout: Some(begun(RolloutState::Updating, None, now)),
        restarts: given_up_only(&service.restarts),
        updated_at: now,
        ..service.clone()
    }
}

/// A service that goes back to its previous spec because a user asks for it. The specs change places,
/// so that doing it twice leads back. The replica count stays as it is: going back to an older program
/// is no wish for its older size.
pub fn begin_rollback(service: &Service, now: Timestamp) -> Result<Service, RollbackError> {
    let restored = restored(service, now, None)
        .ok_or_else(|| RollbackError::NoPrevious(service.spec.name.to_string()))?;
    Ok(Service { previous: Some(present_of(service)), ..restored })
}

/// A service that goes back to its previous spec because its update failed; `None` if there is none.
/// The spec that failed is nothing to go back to, so no previous one is left.
pub(super) fn roll_back(service: &Service, now: Timestamp, cause: String) -> Option<Service> {
    Some(Service { previous: None, ..restored(service, now, Some(cause))? })
}

fn restored(service: &Service, now: Timestamp, cause: Option<String>) -> Option<Service> {
    let previous = service.previous.as_ref()?;
    let spec = match previous.spec.mode == service.spec.mode {
        true => previous.spec.clone(),
        false => Arc::new(ServiceSpec { mode: service.spec.mode, ..ServiceSpec::clone(&previous.spec) }),
    };
    Some(Service {
        spec,
        task_version: previous.task_version,
        rollout: Some(begun(RolloutState::RollingBack, cause, now)),
        // Slots that were given up are tried again.
        restarts: BTreeMap::new(),
        updated_at: now,
        ..service.clone()
    })
}

fn present_of(service: &Service) -> PreviousSpec {
    PreviousSpec { spec: service.spec.clone(), task_version: service.task_version }
}

/// The spec to go back to from an update.
fn previous_of(service: &Service) -> PreviousSpec {
    let is_unsettled =
        |rollout: &Rollout| matches!(rollout.state, RolloutState::Updating | RolloutState::Paused);
    match &service.previous {
        Some(settled) if service.rollout.as_ref().is_some_and(is_unsettled) => settled.clone(),
        _ => present_of(service),
    }
}

/// A version that no task of the service can have. The state's version grows with each change of the
/// service, so the service's own is beyond every task version given before.
fn next_task_version(service: &Service) -> u64 {
    let known = service.previous.as_ref().map_or(0, |previous| previous.task_version);
    service.version.max(service.task_version).max(known) + 1
}

/// What becomes of a rollout when the spec changes without a need for new tasks.
fn go_on(rollout: Option<&Rollout>, leaves_paused: bool, now: Timestamp) -> Option<Rollout> {
    let rollout = rollout?;
    match rollout.state {
        RolloutState::Updating | RolloutState::RollingBack => Some(rollout.clone()),
        RolloutState::Paused | RolloutState::RollbackPaused if leaves_paused => Some(rollout.clone()),
        RolloutState::Paused => Some(begun(RolloutState::Updating, None, now)),
        RolloutState::RollbackPaused => Some(begun(RolloutState::RollingBack, rollout.cause.clone(), now)),
        RolloutState::Completed | RolloutState::RolledBack => None,
    }
}

fn begun(state: RolloutState, cause: Option<String>, now: Timestamp) -> Rollout {
    let message = match state {
        RolloutState::RollingBack => "rollback in progress",
        _ => "update in progress",
    };
    Rollout {
        state,
        started_at: now,
        ended_at: None,
        message: message.to_owned(),
        cause,
        slots: BTreeMap::new(),
    }
}

/// Begins every history anew, but leaves the slots given up to the rollout.
fn given_up_only(restarts: &BTreeMap<SlotKey, RestartHistory>) -> BTreeMap<SlotKey, RestartHistory> {
    let keep = |(&slot, history): (&SlotKey, &RestartHistory)| {
        let given_up = Some(history.given_up.clone()?);
        Some((slot, RestartHistory { given_up, ..RestartHistory::default() }))
    };
    restarts.iter().filter_map(keep).collect()
}
