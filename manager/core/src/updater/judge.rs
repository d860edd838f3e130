//! What is done when too many slots of a rollout have failed.

use super::{revisions, view::View};
use crate::state::Change;
use proto::model::{FailureAction, Rollout, RolloutConfig, RolloutState, Service, Timestamp};

/// The failure action, if it is due.
pub(super) fn judge(
    service: &Service,
    rollout: &Rollout,
    config: &RolloutConfig,
    view: &View<'_>,
    now: Timestamp,
) -> Option<Change> {
    let failures = view.failures();
    if failures == 0 || failures as f32 / view.judged() as f32 <= config.max_failure_ratio {
        return None;
    }
    let cause = cause(view, config);
    let goes_back =
        config.failure_action == FailureAction::Rollback && rollout.state == RolloutState::Updating;
    let pause = |message| {
        let state = match rollout.state {
            RolloutState::RollingBack => RolloutState::RollbackPaused,
            _ => RolloutState::Paused,
        };
        let (slots, counts) = (view.begun.clone(), view.counts());
        let rollout = Rollout { state, ended_at: Some(now), message, slots, counts, ..rollout.clone() };
        Change::PutRollout { service: service.id, rollout: Box::new(rollout) }
    };
    let what = if rollout.state == RolloutState::RollingBack { "rollback" } else { "update" };
    match config.failure_action {
        FailureAction::Continue => None,
        FailureAction::Rollback if goes_back => {
            let restored = revisions::roll_back(service, now, format!("update rolled back due to {cause}"));
            Some(restored.map_or_else(
                || pause(format!("update paused due to {cause}; there is no previous spec to roll back to")),
                |service| Change::PutService(Box::new(service)),
            ))
        }
        FailureAction::Pause | FailureAction::Rollback => {
            Some(pause(format!("{what} paused due to {cause}")))
        }
    }
}

fn cause(view: &View<'_>, config: &RolloutConfig) -> String {
    let Some(task) = view.culprit else { return format!("{} failed slots", view.failures()) };
    if !task.status.state.is_terminal() {
        let (deadline, told) = (config.progress_deadline, &task.status.message);
        return format!(
            "task {} of slot {}, which does not run after {deadline:?}: {told}",
            task.id, task.slot
        );
    }
    let head = format!("failure or early termination of task {}", task.id);
    match &task.status.error {
        Some(error) => format!("{head}: {error}"),
        None => head,
    }
}
