//! Revisions: keeping the specs that a service had, and going back to one.

use super::begin::{begun, present_of};
use proto::model::{
    PreviousSpec, REVISIONS_MAX, Revision, RevisionMark, Rollout, RolloutState, Service, ServiceSpec,
    Timestamp,
};
use std::{collections::BTreeMap, sync::Arc};

/// What a service is to go back to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GoBack {
    /// The revision; `None` is the spec before.
    pub to: Option<u64>,
    /// Whether the replica count comes back too. Going back to an older program is no wish for its older
    /// size, unless one says so.
    pub with_replicas: bool,
}

/// Says why a service can't be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// It was never updated, or the last update was rolled back already.
    #[error("service `{0}` has no previous spec to roll back to: `shoal service history` shows what it had")]
    NoPrevious(String),
    /// It has that spec.
    #[error("service `{service}` has revision {revision} already")]
    IsPresent {
        /// The service.
        service: String,
        /// The revision.
        revision: u64,
    },
    /// It never had it, or that is too long ago.
    #[error("service `{service}` has no revision {revision}: {known}")]
    NoRevision {
        /// The service.
        service: String,
        /// The revision asked for.
        revision: u64,
        /// Those it has.
        known: String,
    },
}

/// A service that goes back because a user asks for it: to a revision, or to its previous spec. The specs
/// change places, so that going back twice leads forward again.
pub fn begin_rollback(service: &Service, back: GoBack, now: Timestamp) -> Result<Service, RollbackError> {
    let target = target(service, back.to)?;
    let restored = restored(service, &target, back.with_replicas, None, now);
    Ok(Service { previous: Some(present_of(service)), ..restored })
}

/// A service that goes back to its previous spec because its update failed or was cancelled; `None` if
/// there is none. The spec that failed is nothing to go back to, so no previous one is left.
pub(super) fn roll_back(service: &Service, now: Timestamp, cause: String) -> Option<Service> {
    let target = target(service, None).ok()?;
    Some(Service { previous: None, ..restored(service, &target, false, Some(cause), now) })
}

/// The mark of a spec that takes the place of the present one, and the revisions before it.
pub(super) fn next(
    service: &Service,
    restores: Option<u64>,
    now: Timestamp,
) -> (RevisionMark, Vec<Revision>) {
    let summary = |rollout: &Rollout| Rollout { slots: BTreeMap::new(), ..rollout.clone() };
    let present = Revision {
        mark: service.revision,
        spec: service.spec.clone(),
        task_version: service.task_version,
        rollout: service.rollout.as_ref().map(summary),
    };
    let first = (service.revisions.len() + 1).saturating_sub(REVISIONS_MAX);
    let kept = service.revisions.iter().skip(first).cloned().chain([present]).collect();
    (RevisionMark { number: service.revision.number + 1, since: now, restores }, kept)
}

/// A spec to go back to.
struct Target {
    spec: Arc<ServiceSpec>,
    task_version: u64,
    /// Its number, if it is still known.
    revision: Option<u64>,
}

fn target(service: &Service, revision: Option<u64>) -> Result<Target, RollbackError> {
    let name = || service.spec.name.to_string();
    let Some(revision) = revision else {
        let previous = service.previous.as_ref().ok_or_else(|| RollbackError::NoPrevious(name()))?;
        return Ok(of_previous(service, previous));
    };
    if revision == service.revision.number {
        return Err(RollbackError::IsPresent { service: name(), revision });
    }
    let found = service.revisions.iter().find(|known| known.mark.number == revision);
    let found = found.ok_or_else(|| RollbackError::NoRevision {
        service: name(),
        revision,
        known: known(&service.revisions),
    })?;
    Ok(Target { spec: found.spec.clone(), task_version: found.task_version, revision: Some(revision) })
}

fn of_previous(service: &Service, previous: &PreviousSpec) -> Target {
    let is_it =
        |known: &&Revision| known.task_version == previous.task_version && known.spec == previous.spec;
    let revision = service.revisions.iter().rev().find(is_it).map(|known| known.mark.number);
    Target { spec: previous.spec.clone(), task_version: previous.task_version, revision }
}

fn known(revisions: &[Revision]) -> String {
    let numbers: Vec<_> = revisions.iter().map(|known| known.mark.number.to_string()).collect();
    match numbers.is_empty() {
        true => "there is none before the present one".to_owned(),
        false => format!("those before the present one are {}", numbers.join(", ")),
    }
}

fn restored(
    service: &Service,
    target: &Target,
    with_replicas: bool,
    cause: Option<String>,
    now: Timestamp,
) -> Service {
    let spec = match with_replicas || target.spec.mode == service.spec.mode {
        true => target.spec.clone(),
        false => Arc::new(ServiceSpec { mode: service.spec.mode, ..ServiceSpec::clone(&target.spec) }),
    };
    let (revision, revisions) = next(service, target.revision, now);
    Service {
        spec,
        task_version: target.task_version,
        rollout: Some(begun(RolloutState::RollingBack, cause, now)),
        // Slots that were given up are tried again.
        restarts: BTreeMap::new(),
        updated_at: now,
        revision,
        revisions,
        ..service.clone()
    }
}
