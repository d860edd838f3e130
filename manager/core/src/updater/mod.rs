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
//! 4. **finish**: when no slot is outdated and none is watched any more.
//!
//! The updater never restarts a task. One that fails during a rollout, or while it is paused, is
//! restarted by its policy with the present spec, and counts as a failure of its slot once.
//!
//! An automatic rollback writes the service's spec. That does not break the rule that only people
//! write specs: what is written is what a person had asked for before, because of the failure action
//! that the person chose; and it is a change of its own, never part of another.

mod begin;
mod judge;
mod message;
mod slot;
#[cfg(test)]
mod tests;
mod view;

pub use begin::{RollbackError, begin_rollback, begin_update, new_service};

use crate::{
    Decision,
    decision::unchanged,
    orchestrator::slots::Slots,
    state::{Change, State},
};
use proto::model::{IdSource, Rollout, RolloutState, Service, Timestamp};
use view::View;

/// Moves every rollout on.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    for service in state.services().filter(|service| !service.removing) {
        if let Some(rollout) = service.rollout.as_ref().filter(|rollout| rollout.state.in_progress()) {
            carry_on(state, service, rollout, now, ids, &mut decision);
        }
    }
    decision
}

fn carry_on(
    state: &State,
    service: &Service,
    rollout: &Rollout,
    now: Timestamp,
    ids: &mut dyn IdSource,
    decision: &mut Decision,
) {
    let config = match rollout.state {
        RolloutState::RollingBack => &service.spec.rollback,
        _ => &service.spec.update,
    };
    let slots = Slots::of(state, service.id);
    let mut view = View::observe(state, service, rollout, config, &slots, now);
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
    view.ask_to_be_woken(decision);
    let message = message::in_progress(rollout, &view);
    if message != rollout.message {
        let change =
            Change::SetRolloutStatus { service: service.id, state: rollout.state, message, ended_at: None };
        decision.propose(unchanged(service), [change]);
    }
}
