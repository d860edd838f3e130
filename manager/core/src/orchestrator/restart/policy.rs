//! Restart policy: whether and when a task that ended is replaced.
//!
//! The first replacement starts after the policy's delay. Each further failure in a row doubles it,
//! up to [`RESTART_DELAY_MAX`], or the delay itself where that is longer. The row ends with a task that
//! ended without failure, or that could have run for [`RAN_WELL`] or the policy's window, whichever is
//! longer. That time is measured by the leader, from when the task might have been started to when its
//! end is noticed, because the clocks of nodes differ.

use proto::model::{
    RestartCondition, RestartHistory, RestartPolicy, Task, TaskState, Timestamp, service::RESTART_DELAY_MAX,
};
use std::time::Duration;

/// A task that lasted so long did not fail because of how it starts.
pub const RAN_WELL: Duration = Duration::from_secs(10);

/// From the second failure in a row on there is a delay even if none was asked for, or a task that
/// can't start would keep its node busy with nothing else.
const DELAY_MIN: Duration = Duration::from_millis(100);

/// What the policy says of a task that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::orchestrator) enum Verdict {
    /// Replace it.
    Restart {
        /// When the replacement may start.
        at: Timestamp,
        /// What to remember.
        history: RestartHistory,
    },
    /// Do not replace it.
    GiveUp {
        /// Why, for people.
        reason: String,
    },
}

/// Judges a task that ended by itself.
pub(in crate::orchestrator) fn judge(
    policy: &RestartPolicy,
    history: &RestartHistory,
    task: &Task,
    now: Timestamp,
) -> Verdict {
    let failed = task.status.state != TaskState::Complete;
    match policy.condition {
        RestartCondition::None => return give_up("the restart condition is none"),
        RestartCondition::OnFailure if !failed => {
            return give_up("it completed, and the restart condition is on-failure");
        }
        RestartCondition::OnFailure | RestartCondition::Any => {}
    }
    let counted = |at: &&Timestamp| policy.window.is_zero() || now.since(**at) < policy.window;
    let mut attempts: Vec<Timestamp> = history.attempts.iter().filter(counted).copied().collect();
    let max = policy.max_attempts as usize;
    if max > 0 && attempts.len() >= max {
        let window = match policy.window.is_zero() {
            true => String::new(),
            false => format!(" within {:?}", policy.window),
        };
        return give_up(&format!(
            "it was restarted {} times{window}, which is the most allowed",
            attempts.len()
        ));
    }
    if max > 0 {
        attempts.push(now);
    }
    let streak = if failed && !ran_well(policy, task, now) { history.streak } else { 0 };
    Verdict::Restart {
        at: now + delay_after(policy.delay, streak),
        history: RestartHistory {
            streak: if failed { streak.saturating_add(1) } else { 0 },
            attempts,
            given_up: None,
        },
    }
}

fn give_up(reason: &str) -> Verdict {
    Verdict::GiveUp { reason: reason.to_owned() }
}

fn ran_well(policy: &RestartPolicy, task: &Task, now: Timestamp) -> bool {
    let from = task.start_after.map_or(task.created_at, |start| start.max(task.created_at));
    task.status.state != TaskState::Rejected && now.since(from) >= policy.window.max(RAN_WELL)
}

/// The wait before a replacement starts, after so many failures in a row before the present one.
pub fn delay_after(delay: Duration, failures: u32) -> Duration {
    let base = if failures == 0 { delay } else { delay.max(DELAY_MIN) };
    let doubled = 2u32.checked_pow(failures).and_then(|factor| base.checked_mul(factor));
    doubled.unwrap_or(Duration::MAX).min(delay.max(RESTART_DELAY_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::task;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn policy() -> RestartPolicy {
        RestartPolicy { delay: Duration::from_secs(5), ..RestartPolicy::default() }
    }

    /// A task that ended `lasted` after it was made.
    fn ended(state: TaskState, lasted: Duration) -> Task {
        let mut task = task(1, "web");
        task.created_at = Timestamp(NOW.0 - lasted.as_millis() as i64);
        task.status.state = state;
        task
    }

    fn restarted(verdict: Verdict) -> (Duration, RestartHistory) {
        match verdict {
            Verdict::Restart { at, history } => (at.since(NOW), history),
            Verdict::GiveUp { reason } => panic!("given up: {reason}"),
        }
    }

    fn reason(verdict: Verdict) -> String {
        match verdict {
            Verdict::GiveUp { reason } => reason,
            Verdict::Restart { .. } => panic!("restarted"),
        }
    }

    #[test]
    fn the_delay_doubles_with_each_failure_in_a_row_up_to_a_bound() {
        let seconds = |failures| delay_after(Duration::from_secs(5), failures).as_secs();
        assert_eq!([0, 1, 2, 3, 6, 7, 100].map(seconds), [5, 10, 20, 40, 300, 300, 300]);
    }

    #[test]
    fn a_delay_beyond_the_bound_is_kept() {
        assert_eq!(delay_after(Duration::from_secs(3600), 4), Duration::from_secs(3600));
    }

    #[test]
    fn without_a_delay_only_the_first_restart_is_immediate() {
        let millis = |failures| delay_after(Duration::ZERO, failures).as_millis();
        assert_eq!([0, 1, 2].map(millis), [0, 200, 400]);
    }

    #[test]
    fn a_quick_failure_lengthens_the_row_and_a_late_one_begins_a_new_one() {
        let history = RestartHistory { streak: 3, ..RestartHistory::default() };
        let quick =
            restarted(judge(&policy(), &history, &ended(TaskState::Failed, Duration::from_secs(1)), NOW));
        assert_eq!((quick.0.as_secs(), quick.1.streak), (40, 4));
        let late = restarted(judge(&policy(), &history, &ended(TaskState::Failed, RAN_WELL), NOW));
        assert_eq!((late.0.as_secs(), late.1.streak), (5, 1));
    }

    #[test]
    fn a_task_that_could_never_start_lengthens_the_row_however_long_it_took() {
        let history = RestartHistory { streak: 1, ..RestartHistory::default() };
        let verdict = judge(&policy(), &history, &ended(TaskState::Rejected, Duration::from_secs(60)), NOW);
        assert_eq!(restarted(verdict).1.streak, 2);
    }

    #[test]
    fn a_task_that_completes_is_no_failure_and_is_not_backed_off() {
        let history = RestartHistory { streak: 5, ..RestartHistory::default() };
        let verdict = judge(&policy(), &history, &ended(TaskState::Complete, Duration::from_secs(1)), NOW);
        assert_eq!(restarted(verdict), (Duration::from_secs(5), RestartHistory::default()));
    }

    #[test]
    fn the_condition_decides_what_is_replaced() {
        let failed = ended(TaskState::Failed, Duration::ZERO);
        let complete = ended(TaskState::Complete, Duration::ZERO);
        let judge = |condition, task| {
            judge(&RestartPolicy { condition, ..policy() }, &RestartHistory::default(), task, NOW)
        };
        assert!(reason(judge(RestartCondition::None, &failed)).contains("none"));
        assert!(reason(judge(RestartCondition::OnFailure, &complete)).contains("on-failure"));
        restarted(judge(RestartCondition::OnFailure, &failed));
        restarted(judge(RestartCondition::Any, &complete));
    }

    #[test]
    fn attempts_are_counted_in_the_window_only() {
        let policy = RestartPolicy { max_attempts: 2, window: Duration::from_secs(60), ..policy() };
        let failed = ended(TaskState::Failed, Duration::ZERO);
        let at = |ago_s: i64| Timestamp(NOW.0 - ago_s * 1000);
        let history = |attempts: &[Timestamp]| RestartHistory {
            attempts: attempts.to_vec(),
            ..RestartHistory::default()
        };
        let (_, kept) = restarted(judge(&policy, &history(&[at(61), at(30)]), &failed, NOW));
        assert_eq!(kept.attempts, [at(30), NOW]);
        let said = reason(judge(&policy, &history(&[at(59), at(30)]), &failed, NOW));
        assert_eq!(said, "it was restarted 2 times within 60s, which is the most allowed");
    }

    #[test]
    fn without_a_window_attempts_count_for_ever() {
        let policy = RestartPolicy { max_attempts: 1, ..policy() };
        let history = RestartHistory { attempts: vec![Timestamp(0)], ..RestartHistory::default() };
        reason(judge(&policy, &history, &ended(TaskState::Failed, Duration::ZERO), NOW));
    }
}
