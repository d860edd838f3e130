//! What people do to a rollout that has begun: pause, resume, promote, cancel.

use super::revisions;
use proto::model::{Rollout, RolloutState, Service, SlotProgress, Timestamp};

/// Says why a rollout can't be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is none, or it is over.
    #[error("service `{0}` is neither being updated nor rolled back: there is nothing to {1}")]
    NoRollout(String, &'static str),
    /// It is in a stage in which that means nothing.
    #[error("the {what} of service `{service}` can't be {verb}: {why}")]
    Stage {
        /// The service.
        service: String,
        /// An update or a rollback.
        what: &'static str,
        /// What was asked for.
        verb: &'static str,
        /// Why not, and what to do.
        why: String,
    },
}

/// Begins no further slot until it is resumed. Tasks that were made stay.
pub fn pause(service: &Service, now: Timestamp) -> Result<Service, ControlError> {
    let rollout = rollout_of(service, "pause")?;
    let refused = |why: &str| refused(service, rollout.state, "paused", why);
    let state = match rollout.state {
        RolloutState::Updating => RolloutState::Paused,
        RolloutState::RollingBack => RolloutState::RollbackPaused,
        RolloutState::Held => return Err(refused("it waits already, for its promotion")),
        _ => return Err(refused("it is paused already")),
    };
    let message = format!("{} paused as asked for", what(state));
    let paused = Rollout { state, ended_at: Some(now), message, ..rollout.clone() };
    Ok(Service { rollout: Some(paused), ..service.clone() })
}

/// Goes on with a rollout that is paused, by a person or because tasks failed.
pub fn resume(service: &Service, now: Timestamp) -> Result<Service, ControlError> {
    let rollout = rollout_of(service, "resume")?;
    let refused = |why: &str| refused(service, rollout.state, "resumed", why);
    match rollout.state {
        RolloutState::Held => Err(refused("it waits for its promotion: promote it, or roll back")),
        RolloutState::Updating | RolloutState::RollingBack => Err(refused("it is not paused")),
        _ => Ok(Service { rollout: Some(resumed(rollout, now)), ..service.clone() }),
    }
}

/// Brings the new spec to the slots beside the canaries.
pub fn promote(service: &Service) -> Result<Service, ControlError> {
    let rollout = rollout_of(service, "promote")?;
    let refused = |why: &str| refused(service, rollout.state, "promoted", why);
    match rollout.state {
        RolloutState::Held => {
            let (state, message) = (RolloutState::Updating, "update in progress".to_owned());
            let promoted = Rollout { state, message, ended_at: None, promoted: true, ..rollout.clone() };
            Ok(Service { rollout: Some(promoted), ..service.clone() })
        }
        RolloutState::Updating if service.spec.update.canary > 0 && !rollout.promoted => {
            Err(refused("its canaries are not done: wait until they are"))
        }
        RolloutState::Paused => Err(refused("it is paused: resume it first")),
        _ => Err(refused("it has no canaries")),
    }
}

/// Ends an update and goes back to the spec before, which leaves nothing to go back to.
pub fn cancel(service: &Service, now: Timestamp) -> Result<Service, ControlError> {
    let rollout = rollout_of(service, "cancel")?;
    let refused = |why: &str| refused(service, rollout.state, "cancelled", why);
    if !rollout.state.is_unsettled() {
        return Err(refused("it goes back already: `shoal service rollback` leads forward again"));
    }
    let cause = "update cancelled as asked for".to_owned();
    revisions::roll_back(service, now, cause).ok_or_else(|| refused("there is no spec before it"))
}

/// A paused rollout that goes on: what was done well stays done, and the rest is seen anew.
pub(super) fn resumed(rollout: &Rollout, now: Timestamp) -> Rollout {
    let (state, message) = match rollout.state {
        RolloutState::RollbackPaused => (RolloutState::RollingBack, "rollback in progress"),
        _ => (RolloutState::Updating, "update in progress"),
    };
    let again = |progress: SlotProgress| match progress {
        SlotProgress::Done { failed, .. } => (!failed).then_some(progress),
        // The time of the pause does not count.
        SlotProgress::Replacing { task, .. } => Some(SlotProgress::Replacing { task, since: now }),
        SlotProgress::Watching { .. } => Some(progress),
    };
    let slots = rollout.slots.iter().filter_map(|(&slot, &progress)| Some((slot, again(progress)?)));
    let (slots, message) = (slots.collect(), message.to_owned());
    Rollout { state, ended_at: None, message, slots, ..rollout.clone() }
}

fn rollout_of<'a>(service: &'a Service, verb: &'static str) -> Result<&'a Rollout, ControlError> {
    let is_open =
        |rollout: &&Rollout| !matches!(rollout.state, RolloutState::Completed | RolloutState::RolledBack);
    let open = service.rollout.as_ref().filter(is_open);
    open.ok_or_else(|| ControlError::NoRollout(service.spec.name.to_string(), verb))
}

fn what(state: RolloutState) -> &'static str {
    match state {
        RolloutState::RollingBack | RolloutState::RollbackPaused | RolloutState::RolledBack => "rollback",
        _ => "update",
    }
}

fn refused(service: &Service, state: RolloutState, verb: &'static str, why: &str) -> ControlError {
    let (service, what) = (service.spec.name.to_string(), what(state));
    ControlError::Stage { service, what, verb, why: why.to_owned() }
}
