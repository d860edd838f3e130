//! What people are told of a rollout.

use super::view::View;
use proto::model::{Rollout, RolloutState, Timestamp};
use std::collections::BTreeMap;

/// How far a rollout is, and what it waits for.
pub(super) fn in_progress(rollout: &Rollout, view: &View<'_>) -> String {
    let what = if rollout.state == RolloutState::RollingBack { "rollback" } else { "update" };
    let mut text = format!("{what} in progress: {} of {} slots done", view.done(), view.total());
    if view.failures() > 0 {
        text += &format!(", {} failed", view.failures());
    }
    if let Some(task) = view.unplaced {
        text += &format!("; slot {} waits: {}", task.slot, task.status.message);
    } else if view.busy() == 0 && !view.outdated.is_empty() && !view.awaits_promotion() {
        // There is room for another slot, and none of those left was begun.
        text += "; the other slots wait for their nodes, which take no tasks now";
    }
    with_cause(text, rollout)
}

/// A rollout that has reached every slot.
pub(super) fn finished(rollout: &Rollout, view: &View<'_>, now: Timestamp) -> Rollout {
    let (state, what) = match rollout.state {
        RolloutState::RollingBack => (RolloutState::RolledBack, "rollback"),
        _ => (RolloutState::Completed, "update"),
    };
    let mut text = format!("{what} completed");
    if view.failures() > 0 {
        text += &format!(", {} of {} slots failed", view.failures(), view.total());
    }
    let (message, counts) = (with_cause(text, rollout), view.counts());
    Rollout { state, ended_at: Some(now), message, slots: BTreeMap::new(), counts, ..rollout.clone() }
}

/// A rollout whose canaries are done. The slots stay known: they alone have the new spec.
pub(super) fn held(rollout: &Rollout, view: &View<'_>, now: Timestamp) -> Rollout {
    let mut text = format!("{} of {} slots have the new spec", view.begun.len(), view.total());
    if view.failures() > 0 {
        text += &format!(", {} failed", view.failures());
    }
    text += "; promote the update to bring it to the others, or roll back";
    let (slots, counts) = (view.begun.clone(), view.counts());
    let state = RolloutState::Held;
    Rollout { state, ended_at: Some(now), message: text, slots, counts, ..rollout.clone() }
}

fn with_cause(text: String, rollout: &Rollout) -> String {
    match &rollout.cause {
        Some(cause) => format!("{text}; {cause}"),
        None => text,
    }
}
