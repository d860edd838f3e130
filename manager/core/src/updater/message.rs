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
    } else if view.busy() == 0 && !view.outdated.is_empty() {
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
    let message = with_cause(text, rollout);
    Rollout { state, ended_at: Some(now), message, slots: BTreeMap::new(), ..rollout.clone() }
}

fn with_cause(text: String, rollout: &Rollout) -> String {
    match &rollout.cause {
        Some(cause) => format!("{text}; {cause}"),
        None => text,
    }
}
