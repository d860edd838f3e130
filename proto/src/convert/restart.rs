//! What happens when a task ends, and how its output is kept.

use super::{bounds, time::millis};
use crate::{
    model::{Problems, RestartCondition, RestartPolicy, service::LogConfig},
    wire,
};

/// The smallest size in bytes at which a log file can be rotated; smaller ones would spend more time
/// on renaming than on writing.
pub const LOG_SIZE_BYTES_MIN: u64 = 1 << 10;
/// The most log files kept: a folder that can still be listed.
const LOG_FILES_MAX: u32 = 1000;

impl From<&RestartPolicy> for wire::RestartPolicy {
    fn from(policy: &RestartPolicy) -> Self {
        use wire::restart_policy::Condition;
        let condition = match policy.condition {
            RestartCondition::None => Condition::None,
            RestartCondition::OnFailure => Condition::OnFailure,
            RestartCondition::Any => Condition::Any,
        };
        wire::RestartPolicy {
            condition: condition.into(),
            delay_ms: millis(policy.delay),
            max_attempts: policy.max_attempts,
            window_ms: millis(policy.window),
        }
    }
}

impl From<&LogConfig> for wire::LogConfig {
    fn from(log: &LogConfig) -> Self {
        wire::LogConfig { max_size_bytes: log.max_size_bytes, max_files: log.max_files }
    }
}

/// Reads a restart policy; all of it is docker's default if it is not given.
pub(super) fn restart(wire: Option<wire::RestartPolicy>, problems: &mut Problems) -> RestartPolicy {
    use wire::restart_policy::Condition;
    let Some(wire) = wire else { return RestartPolicy::default() };
    let condition = match Condition::try_from(wire.condition) {
        Ok(Condition::None) => RestartCondition::None,
        Ok(Condition::OnFailure) => RestartCondition::OnFailure,
        Ok(Condition::Any) => RestartCondition::Any,
        Ok(Condition::Unspecified) => RestartPolicy::default().condition,
        Err(_) => {
            problems.add(
                "--restart-condition",
                format!("{} is not known: use none, on-failure or any", wire.condition),
            );
            RestartPolicy::default().condition
        }
    };
    RestartPolicy {
        condition,
        delay: bounds::span("--restart-delay", wire.delay_ms, problems),
        max_attempts: wire.max_attempts,
        window: bounds::span("--restart-window", wire.window_ms, problems),
    }
}

/// Reads how output is kept; the default if it is not given.
pub(super) fn log(wire: Option<wire::LogConfig>, problems: &mut Problems) -> LogConfig {
    let Some(wire) = wire else { return LogConfig::default() };
    if wire.max_size_bytes < LOG_SIZE_BYTES_MIN {
        problems.add(
            "--log-opt",
            format!("max-size {} bytes is too small: must be at least 1k", wire.max_size_bytes),
        );
    }
    if !(1..=LOG_FILES_MAX).contains(&wire.max_files) {
        problems.add(
            "--log-opt",
            format!("max-file {} is not valid: must be 1 to {LOG_FILES_MAX}", wire.max_files),
        );
    }
    LogConfig { max_size_bytes: wire.max_size_bytes, max_files: wire.max_files }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_not_given_is_the_default() {
        let mut problems = Problems::default();
        assert_eq!(restart(None, &mut problems), RestartPolicy::default());
        assert_eq!(log(None, &mut problems), LogConfig::default());
        assert_eq!(problems, Problems::default());
    }

    #[test]
    fn logs_that_keep_nothing_are_a_problem() {
        let mut problems = Problems::default();
        log(Some(wire::LogConfig { max_size_bytes: 1023, max_files: 0 }), &mut problems);
        assert_eq!(
            problems.to_string(),
            "--log-opt: max-size 1023 bytes is too small: must be at least 1k\n\
             --log-opt: max-file 0 is not valid: must be 1 to 1000"
        );
    }

    #[test]
    fn an_unknown_condition_and_an_endless_delay_are_problems() {
        let mut problems = Problems::default();
        let policy = wire::RestartPolicy { condition: 7, delay_ms: u64::MAX, max_attempts: 0, window_ms: 0 };
        restart(Some(policy), &mut problems);
        assert_eq!(
            problems.to_string(),
            "--restart-condition: 7 is not known: use none, on-failure or any\n\
             --restart-delay: 18446744073709551615 ms is too long: must be at most 3650 days"
        );
    }
}
