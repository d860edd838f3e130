//! A pass over what the pass before it decided decides nothing.

use super::{Broken, Kept};
use manager_core::{Decision, liveness::Liveness, reconcile, state::State};
use proto::model::{IdSource, Timestamp};

const PROMISE: &str = "plan_rests";

/// Applies what was decided, and passes again.
pub fn check(
    state: &State,
    now: Timestamp,
    liveness: &Liveness,
    decision: &Decision,
    ids: &mut dyn IdSource,
) -> Kept {
    let mut next = state.clone();
    for transaction in &decision.transactions {
        if let Err(refusal) = next.apply(transaction) {
            let what = format!("what was decided does not apply to what it was decided from: {refusal}");
            return Err(Broken::new(PROMISE, what));
        }
    }
    let again = reconcile::pass(&next, now, ids, liveness);
    match again.is_empty() {
        true => Ok(()),
        false => Err(Broken::new(PROMISE, format!("a second pass decides {:?}", again.transactions))),
    }
}
