//! Beginning a rollout: what a request, or a failed update, makes of a service.

use super::{control, revisions};
use proto::model::{
    PreviousSpec, RestartHistory, RevisionMark, Rollout, RolloutCounts, RolloutState, Service, ServiceId,
    ServiceSpec, SlotKey, Timestamp,
};
use std::{collections::BTreeMap, sync::Arc};

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
        revision: RevisionMark { number: 1, since: now, restores: None },
        revisions: Vec::new(),
        job: None,
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
        let (revision, revisions) = match scaled_only {
            true => (service.revision, service.revisions.clone()),
            false => revisions::next(service, None, now),
        };
        let spec = Arc::new(spec);
        return Service { spec, previous, rollout, updated_at: now, revision, revisions, ..service.clone() };
    }
    let returns_to = service.previous.as_ref().filter(|previous| !spec.needs_new_tasks(&previous.spec));
    let (task_version, previous) = match returns_to {
        // Done by hand, but still a way back: tasks that kept the version need no replacement.
        Some(previous) => (previous.task_version, present_of(service)),
        None => (next_task_version(service), previous_of(service)),
    };
    let (revision, revisions) = revisions::next(service, None, now);
    Service {
        spec: Arc::new(spec),
        revision,
        revisions,
        task_version,
        previous: Some(previous),
        rollout: Some(begun(RolloutState::Updating, None, now)),
        restarts: given_up_only(&service.restarts),
        updated_at: now,
        ..service.clone()
    }
}

pub(super) fn present_of(service: &Service) -> PreviousSpec {
    PreviousSpec { spec: service.spec.clone(), task_version: service.task_version }
}

/// The spec to go back to from an update.
fn previous_of(service: &Service) -> PreviousSpec {
    let is_unsettled = |rollout: &Rollout| rollout.state.is_unsettled();
    match &service.previous {
        Some(settled) if service.rollout.as_ref().is_some_and(is_unsettled) => settled.clone(),
        _ => present_of(service),
    }
}

/// A version that no task of the service can have. The state's version grows with each change of the
/// service, so the service's own is beyond every task version given before.
fn next_task_version(service: &Service) -> u64 {
    let previous = service.previous.iter().map(|previous| previous.task_version);
    let known = service.revisions.iter().map(|revision| revision.task_version).chain(previous).max();
    service.version.max(service.task_version).max(known.unwrap_or(0)) + 1
}

/// What becomes of a rollout when the spec changes without a need for new tasks.
fn go_on(rollout: Option<&Rollout>, leaves_paused: bool, now: Timestamp) -> Option<Rollout> {
    let rollout = rollout?;
    match rollout.state {
        RolloutState::Updating | RolloutState::RollingBack | RolloutState::Held => Some(rollout.clone()),
        RolloutState::Paused | RolloutState::RollbackPaused if leaves_paused => Some(rollout.clone()),
        RolloutState::Paused | RolloutState::RollbackPaused => Some(control::resumed(rollout, now)),
        RolloutState::Completed | RolloutState::RolledBack => None,
    }
}

pub(super) fn begun(state: RolloutState, cause: Option<String>, now: Timestamp) -> Rollout {
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
        counts: RolloutCounts::default(),
        promoted: false,
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
