//! Reconcile: all loops together, which is what a leader runs whenever something may have to be done.
//!
//! The loops run in order on a scratch copy of the state, each one on what those before it left, so
//! that one pass takes a new service to assigned tasks. Then they run again, until none has anything
//! left to do. So applying what a pass answers and passing again yields nothing. Nothing is kept from
//! one pass to the next: it makes no difference whether the same leader makes it.

#[cfg(test)]
mod properties;

use crate::{
    Decision, allocator, enforcer, features,
    liveness::{self, Liveness},
    orchestrator::{global, handover, job, replicated, restart},
    payloads, reaper, scheduler, stacks,
    state::{State, Transaction},
    updater,
};
use proto::model::{IdSource, Timestamp};
use tracing::{debug, error};

/// How often the loops run in one pass. They come to rest after a few rounds, except where each one
/// leads to the next, such as on a drained node whose tasks find no other place: then the next pass
/// goes on at once, and the leader stays able to do other things in between.
const ROUNDS_MAX: usize = 16;

/// Decides everything there is to decide about a state.
pub fn pass(state: &State, now: Timestamp, ids: &mut dyn IdSource, liveness: &Liveness) -> Decision {
    let mut scratch = state.clone();
    let mut all = Decision::default();
    // There is nothing to run before the cluster was made.
    if state.cluster().is_none() {
        return all;
    }
    for _ in 0..ROUNDS_MAX {
        let round = round(&mut scratch, now, ids, liveness);
        all.transactions.extend(round.transactions);
        all.wake_at = round.wake_at;
        if !round.went_on {
            return all;
        }
    }
    debug!(rounds = ROUNDS_MAX, "the loops have not come to rest yet");
    all.wake(now);
    all
}

/// What the loops decided, one after the other.
#[derive(Default)]
struct Round {
    transactions: Vec<Transaction>,
    wake_at: Option<Timestamp>,
    went_on: bool,
}

fn round(scratch: &mut State, now: Timestamp, ids: &mut dyn IdSource, liveness: &Liveness) -> Round {
    let mut round = Round::default();
    round.run("liveness", scratch, |state| liveness::decide(state, now, liveness));
    round.run("features", scratch, |state| features::decide(state, now));
    round.run("updater", scratch, |state| updater::decide(state, now, ids, liveness));
    round.run("replicated", scratch, |state| replicated::decide(state, now, ids));
    round.run("global", scratch, |state| global::decide(state, now, ids));
    round.run("job", scratch, |state| job::decide(state, now, ids));
    round.run("enforcer", scratch, |state| enforcer::decide(state, now, ids));
    round.run("restart", scratch, |state| restart::decide(state, now, ids));
    round.run("handover", scratch, |state| handover::decide(state, now));
    round.run("stacks", scratch, stacks::decide);
    round.run("allocator", scratch, |state| allocator::decide(state, now));
    round.run("scheduler", scratch, |state| scheduler::decide(state, now, liveness));
    round.run("leases", scratch, |state| allocator::leases::decide(state, now));
    round.run("reaper", scratch, reaper::decide);
    round.run("payloads", scratch, payloads::decide);
    round
}

impl Round {
    fn run(&mut self, name: &'static str, scratch: &mut State, decide: impl FnOnce(&State) -> Decision) {
        let decision = decide(scratch);
        self.wake_at = [self.wake_at, decision.wake_at].into_iter().flatten().min();
        for transaction in decision.transactions {
            match scratch.apply(&transaction) {
                Ok(applied) => {
                    debug!(name, changes = transaction.changes.len(), version = applied.version, "decided");
                    self.went_on |= !applied.events.is_empty();
                    self.transactions.push(transaction);
                }
                Err(refusal) => {
                    // What was decided from a state applies to it, so this is a fault of the loop. The
                    // others have to go on all the same.
                    error!(name, error = %refusal, "a decision does not apply to what it was decided from");
                    debug_assert!(false, "{name}: {refusal}");
                }
            }
        }
    }
}
