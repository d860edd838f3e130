//! How updates and rollbacks go, and how far one has come.

use super::{bounds, time::millis};
use crate::{
    model::{
        FailureAction, Problems, RevisionMark, Rollout, RolloutConfig, RolloutOrder, RolloutState,
        ServiceSpec, rollout::PROGRESS_DEADLINE,
    },
    wire,
};

impl From<&RolloutConfig> for wire::RolloutConfig {
    fn from(config: &RolloutConfig) -> Self {
        use wire::rollout_config::{FailureAction as WireAction, Order};
        let failure_action = match config.failure_action {
            FailureAction::Pause => WireAction::Pause,
            FailureAction::Continue => WireAction::Continue,
            FailureAction::Rollback => WireAction::Rollback,
        };
        let order = match config.order {
            RolloutOrder::StopFirst => Order::StopFirst,
            RolloutOrder::StartFirst => Order::StartFirst,
        };
        wire::RolloutConfig {
            parallelism: config.parallelism,
            delay_ms: millis(config.delay),
            failure_action: failure_action.into(),
            monitor_ms: millis(config.monitor),
            max_failure_ratio: config.max_failure_ratio,
            order: order.into(),
            progress_deadline_ms: Some(millis(config.progress_deadline)),
            canary: config.canary,
        }
    }
}

impl From<RolloutState> for wire::RolloutState {
    fn from(state: RolloutState) -> Self {
        match state {
            RolloutState::Updating => wire::RolloutState::Updating,
            RolloutState::Paused => wire::RolloutState::Paused,
            RolloutState::Completed => wire::RolloutState::Completed,
            RolloutState::RollingBack => wire::RolloutState::RollbackStarted,
            RolloutState::RollbackPaused => wire::RolloutState::RollbackPaused,
            RolloutState::RolledBack => wire::RolloutState::RollbackCompleted,
            RolloutState::Held => wire::RolloutState::AwaitingPromotion,
        }
    }
}

impl From<&Rollout> for wire::RolloutStatus {
    fn from(rollout: &Rollout) -> Self {
        wire::RolloutStatus {
            state: wire::RolloutState::from(rollout.state).into(),
            started_at: rollout.started_at.0,
            ended_at: rollout.ended_at.map(|at| at.0),
            message: rollout.message.clone(),
            total: rollout.counts.total,
            done: rollout.counts.done,
            failed: rollout.counts.failed,
        }
    }
}

/// A spec as the history of a service shows it.
pub fn revision(mark: &RevisionMark, spec: &ServiceSpec, rollout: Option<&Rollout>) -> wire::ServiceRevision {
    wire::ServiceRevision {
        number: mark.number,
        since: mark.since.0,
        spec: Some(spec.into()),
        rollout: rollout.map(wire::RolloutStatus::from),
        restores: mark.restores.unwrap_or(0),
    }
}

/// Which of a service's two configurations is read, with the options people know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Update,
    Rollback,
}

impl Direction {
    fn option(self, rest: &str) -> String {
        match self {
            Direction::Update => format!("--update-{rest}"),
            Direction::Rollback => format!("--rollback-{rest}"),
        }
    }
}

/// Reads how an update or rollback goes; all of it is docker's default if it is not given.
pub(super) fn config(
    direction: Direction,
    wire: Option<wire::RolloutConfig>,
    problems: &mut Problems,
) -> RolloutConfig {
    let Some(wire) = wire else { return RolloutConfig::default() };
    // NaN is in no range.
    if !(0.0..=1.0).contains(&wire.max_failure_ratio) {
        problems.add(
            direction.option("max-failure-ratio"),
            format!("{} is not a ratio: must be 0 to 1, such as 0.25", wire.max_failure_ratio),
        );
    }
    if direction == Direction::Rollback && wire.canary > 0 {
        problems.add(direction.option("canary"), "a rollback has no canaries: leave it out".to_owned());
    }
    let deadline = wire.progress_deadline_ms.unwrap_or_else(|| millis(PROGRESS_DEADLINE));
    RolloutConfig {
        progress_deadline: bounds::span(&direction.option("progress-deadline"), deadline, problems),
        canary: wire.canary,
        parallelism: wire.parallelism,
        delay: bounds::span(&direction.option("delay"), wire.delay_ms, problems),
        failure_action: failure_action(direction, wire.failure_action, problems),
        monitor: bounds::span(&direction.option("monitor"), wire.monitor_ms, problems),
        max_failure_ratio: wire.max_failure_ratio,
        order: order(direction, wire.order, problems),
    }
}

fn failure_action(direction: Direction, number: i32, problems: &mut Problems) -> FailureAction {
    use wire::rollout_config::FailureAction as WireAction;
    let choices = match direction {
        Direction::Update => "pause, continue or rollback",
        Direction::Rollback => "pause or continue",
    };
    let refused = match (WireAction::try_from(number), direction) {
        (Ok(WireAction::Pause), _) => return FailureAction::Pause,
        (Ok(WireAction::Continue), _) => return FailureAction::Continue,
        (Ok(WireAction::Unspecified), _) => return RolloutConfig::default().failure_action,
        (Ok(WireAction::Rollback), Direction::Update) => return FailureAction::Rollback,
        (Ok(WireAction::Rollback), Direction::Rollback) => "a rollback can't be rolled back".to_owned(),
        (Err(_), _) => format!("{number} is not known"),
    };
    problems.add(direction.option("failure-action"), format!("{refused}: use {choices}"));
    RolloutConfig::default().failure_action
}

fn order(direction: Direction, number: i32, problems: &mut Problems) -> RolloutOrder {
    use wire::rollout_config::Order;
    match Order::try_from(number) {
        Ok(Order::StopFirst) => RolloutOrder::StopFirst,
        Ok(Order::StartFirst) => RolloutOrder::StartFirst,
        Ok(Order::Unspecified) => RolloutConfig::default().order,
        Err(_) => {
            problems.add(
                direction.option("order"),
                format!("{number} is not known: use stop-first or start-first"),
            );
            RolloutConfig::default().order
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::rollout_config::FailureAction as WireAction;

    fn problems_of(direction: Direction, wire: wire::RolloutConfig) -> String {
        let mut problems = Problems::default();
        config(direction, Some(wire), &mut problems);
        problems.to_string()
    }

    #[test]
    fn a_rollback_that_would_roll_back_is_refused() {
        let wire = wire::RolloutConfig { failure_action: WireAction::Rollback.into(), ..Default::default() };
        assert_eq!(problems_of(Direction::Update, wire), "");
        assert_eq!(
            problems_of(Direction::Rollback, wire),
            "--rollback-failure-action: a rollback can't be rolled back: use pause or continue"
        );
    }

    #[test]
    fn a_ratio_outside_of_0_to_1_is_refused() {
        for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            let problems = problems_of(
                Direction::Update,
                wire::RolloutConfig { max_failure_ratio: bad, ..Default::default() },
            );
            assert!(problems.starts_with("--update-max-failure-ratio: "), "{bad}: {problems}");
        }
    }

    #[test]
    fn unknown_numbers_are_problems_and_zero_is_the_default() {
        let unknown = wire::RolloutConfig { failure_action: 9, order: 9, ..Default::default() };
        assert_eq!(
            problems_of(Direction::Rollback, unknown),
            "--rollback-failure-action: 9 is not known: use pause or continue\n\
             --rollback-order: 9 is not known: use stop-first or start-first"
        );
        assert_eq!(problems_of(Direction::Update, wire::RolloutConfig::default()), "");
    }
}
