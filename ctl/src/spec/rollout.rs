//! How updates and rollbacks go, from the options that begin with `--update-` and `--rollback-`.

use super::given;
use crate::{
    args::service::{RollbackArgs, RolloutArgs},
    parse::{choice, duration, number},
};
use proto::{
    model::{self, Problems},
    wire::{RolloutConfig, rollout_config},
};

/// Docker's defaults, for a service whose spec says nothing.
fn default_config() -> RolloutConfig {
    let default = model::RolloutConfig::default();
    RolloutConfig {
        parallelism: default.parallelism,
        delay_ms: default.delay.as_millis() as u64,
        failure_action: rollout_config::FailureAction::Pause.into(),
        monitor_ms: default.monitor.as_millis() as u64,
        max_failure_ratio: default.max_failure_ratio,
        order: rollout_config::Order::StopFirst.into(),
        progress_deadline_ms: Some(default.progress_deadline.as_millis() as u64),
        canary: 0,
    }
}

/// The values of one family of options, as far as they were given.
#[derive(Default, PartialEq)]
struct Given {
    parallelism: Option<u32>,
    delay_ms: Option<u64>,
    failure_action: Option<rollout_config::FailureAction>,
    monitor_ms: Option<u64>,
    max_failure_ratio: Option<f32>,
    order: Option<rollout_config::Order>,
    progress_deadline_ms: Option<u64>,
    canary: Option<u32>,
}

/// Changes how updates go.
pub fn apply_update(args: &RolloutArgs, config: &mut Option<RolloutConfig>, problems: &mut Problems) {
    let action = choice::update_failure_action;
    let given = Given {
        parallelism: given(problems, "--update-parallelism", &args.update_parallelism, number::count),
        delay_ms: given(problems, "--update-delay", &args.update_delay, duration::parse_ms),
        failure_action: given(problems, "--update-failure-action", &args.update_failure_action, action),
        monitor_ms: given(problems, "--update-monitor", &args.update_monitor, duration::parse_ms),
        max_failure_ratio: given(
            problems,
            "--update-max-failure-ratio",
            &args.update_max_failure_ratio,
            number::ratio,
        ),
        order: given(problems, "--update-order", &args.update_order, choice::order),
        progress_deadline_ms: given(
            problems,
            "--update-progress-deadline",
            &args.update_progress_deadline,
            duration::parse_ms,
        ),
        canary: given(problems, "--update-canary", &args.update_canary, number::count),
    };
    given.apply(config);
}

/// Changes how rollbacks go.
pub fn apply_rollback(args: &RollbackArgs, config: &mut Option<RolloutConfig>, problems: &mut Problems) {
    let action = choice::rollback_failure_action;
    let ratio = &args.rollback_max_failure_ratio;
    let deadline = &args.rollback_progress_deadline;
    let given = Given {
        parallelism: given(problems, "--rollback-parallelism", &args.rollback_parallelism, number::count),
        delay_ms: given(problems, "--rollback-delay", &args.rollback_delay, duration::parse_ms),
        failure_action: given(problems, "--rollback-failure-action", &args.rollback_failure_action, action),
        monitor_ms: given(problems, "--rollback-monitor", &args.rollback_monitor, duration::parse_ms),
        max_failure_ratio: given(problems, "--rollback-max-failure-ratio", ratio, number::ratio),
        order: given(problems, "--rollback-order", &args.rollback_order, choice::order),
        progress_deadline_ms: given(problems, "--rollback-progress-deadline", deadline, duration::parse_ms),
        canary: None,
    };
    given.apply(config);
}

impl Given {
    /// A config is sent whole, since zero has a meaning in each of its fields; if nothing was given,
    /// an absent one stays absent and the managers fill it in.
    fn apply(self, config: &mut Option<RolloutConfig>) {
        if self == Given::default() {
            return;
        }
        let Given {
            parallelism,
            delay_ms,
            failure_action,
            monitor_ms,
            max_failure_ratio,
            order,
            progress_deadline_ms,
            canary,
        } = self;
        let old = config.take().unwrap_or_else(default_config);
        *config = Some(RolloutConfig {
            parallelism: parallelism.unwrap_or(old.parallelism),
            delay_ms: delay_ms.unwrap_or(old.delay_ms),
            failure_action: failure_action.map_or(old.failure_action, Into::into),
            monitor_ms: monitor_ms.unwrap_or(old.monitor_ms),
            max_failure_ratio: max_failure_ratio.unwrap_or(old.max_failure_ratio),
            order: order.map_or(old.order, Into::into),
            progress_deadline_ms: progress_deadline_ms.or(old.progress_deadline_ms),
            canary: canary.unwrap_or(old.canary),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_given_option_makes_a_whole_config() {
        let (mut config, mut problems) = (None, Problems::default());
        apply_update(&RolloutArgs::default(), &mut config, &mut problems);
        assert_eq!(config, None);
        let args = RolloutArgs { update_delay: Some("10s".into()), ..Default::default() };
        apply_update(&args, &mut config, &mut problems);
        assert_eq!(config, Some(RolloutConfig { delay_ms: 10_000, ..default_config() }));
        assert_eq!(default_config().parallelism, 1, "zero would be all at once");
    }
}
