//! Updater: brings a new spec, or the previous one, to the tasks of a service, a few at a time.
//!
//! A *rollout* is an object in the service. It begins with the request that changes the spec
//! ([`begin_update`], [`begin_rollback`]) and holds how far each slot has come, so a new leader carries
//! on in the middle. A slot is *outdated* if it has a live task of another task version than the
//! service's, or was given up with such a task. For a service in a rollout, in this order:
//!
//! 1. **observe** (`slot`): each begun slot moves on by what is seen of its new task. New tasks that
//!    others made meanwhile (a restart, a node that was lost, more replicas) are taken into the rollout,
//!    as they too show whether the new spec works.
//! 2. **judge** (`judge`): if more than the tolerated share of slots has failed, the failure action is
//!    taken. The share is of all slots that the rollout is about. A rollback is never rolled back.
//! 3. **begin**: while fewer than `parallelism` slots are busy, the next outdated one is replaced; those
//!    that do not run first, as they have nothing to lose. A slot is busy until its new task runs and
//!    the delay has passed; it is watched beyond that while the next one goes on, as docker does.
//! 4. **finish**: when no slot is outdated and none is watched any more. An update with canaries ends
//!    its first part so when they are done, and is held until a person promotes it (`canary`).
//!
//! A slot whose new task does not run within the progress deadline counts as failed, whatever it waits
//! for: an update that finds no node ends in its failure action as well.
//!
//! The updater never restarts a task. One that fails during a rollout, or while it is paused, is
//! restarted by its policy with the present spec, and counts as a failure of its slot once.
//!
//! An automatic rollback writes the service's spec. That does not break the rule that only people
//! write specs: what is written is what a person had asked for before, because of the failure action
//! that the person chose; and it is a change of its own, never part of another.

mod begin;
pub(crate) mod canary;
mod control;
mod judge;
mod message;
mod revisions;
mod slot;
#[cfg(test)]
mod tests;
mod view;

pub use begin::{begin_update, new_service};
pub use control::{ControlError, cancel, pause, promote, resume};
pub use revisions::{GoBack, RollbackError, begin_rollback};

use crate::{
    Decision,
    decision::unchanged,
    liveness::Liveness,
    orchestrator::slots::Slots,
    state::{Change, State},
};
use proto::model::{IdSource, Rollout, RolloutState, Service, Timestamp};
use view::View;

/// Moves every rollout on.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource, liveness: &Liveness) -> Decision {
    let mut decision = Decision::default();
    for service in state.services().filter(|service| !service.removing) {
        if let Some(rollout) = service.rollout.as_ref().filter(|rollout| rollout.state.in_progress()) {
            let moment = Moment { now, leader_since: liveness.leader_since };
            carry_on(state, service, rollout, moment, ids, &mut decision);
        }
    }
    decision
}

/// When something is decided.
#[derive(Clone, Copy)]
struct Moment {
    now: Timestamp,
    /// Since when the one who decides is the leader.
    leader_since: Timestamp,
}

fn carry_on(
    state: &State,
    service: &Service,
    rollout: &Rollout,
    Moment { now, leader_since }: Moment,
    ids: &mut dyn IdSource,
    decision: &mut Decision,
) {
    let config = match rollout.state {
        RolloutState::RollingBack => &service.spec.rollback,
        _ => &service.spec.update,
    };
    let slots = Slots::of(state, service.id);
    let mut view = View::observe(state, service, rollout, config, &slots, leader_since, now);
    if let Some(change) = judge::judge(service, rollout, config, &view, now) {
        decision.propose(unchanged(service), [change]);
        return;
    }
    for (&slot, &progress) in &view.begun {
        if rollout.slots.get(&slot) != Some(&progress) {
            let progress = Some(progress);
            decision.propose(
                unchanged(service),
                [Change::SetRolloutSlot { service: service.id, slot, progress }],
            );
        }
    }
    for &slot in rollout.slots.keys().filter(|slot| !view.begun.contains_key(slot)) {
        let change = Change::SetRolloutSlot { service: service.id, slot, progress: None };
        decision.propose(unchanged(service), [change]);
    }
    view.begin_slots(state, ids, decision);
    if view.is_finished() {
        let rollout = Box::new(message::finished(rollout, &view, now));
        decision.propose(unchanged(service), [Change::PutRollout { service: service.id, rollout }]);
        return;
    }
    if view.awaits_promotion() {
        let rollout = Box::new(message::held(rollout, &view, now));
        decision.propose(unchanged(service), [Change::PutRollout { service: service.id, rollout }]);
        return;
    }
    view.ask_to_be_woken(decision);
    let (message, counts) = (message::in_progress(rollout, &view), view.counts());
    if message != rollout.message || counts != rollout.counts {
        let state = rollout.state;
        let change = Change::SetRolloutStatus { service: service.id, state, message, ended_at: None, counts };
        decision.propose(unchanged(service), [change]);
    }
}
