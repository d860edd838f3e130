//! The life of a task on its node.
//!
//! ```text
//! Assigned -> Accepted -> Preparing -> Ready -> Starting -> Running -> Complete   exit code 0
//!     |           |           |          |          |          |  '--> Failed     any other code
//!     |           |           |          |          '----------'-----> Failed     a fault
//!     |           |           '----------'---------------------------> Rejected   a fault
//!     '-----------'-----------'----------'----------'----------'-----> Shutdown   because it was desired
//! ```
//!
//! A task waits at `Ready` for as long as no more than that is desired: that is how the managers hold
//! back a replacement until its `start_after`. The node compares no clock of its own with that time.

use proto::model::{DesiredState, ExitStatus, Signal, TaskState};

/// The one thing the agent does next for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Note that it has come this far.
    Advance(TaskState),
    /// Make its image, volumes and network ready.
    Prepare,
    /// Start its container.
    Start,
    /// Wait for its container to end.
    Await,
    /// End its container, or give back what was prepared for it.
    Stop,
    /// Nothing.
    Rest,
}

/// Says what the agent does next for a task.
pub fn next_step(desired: DesiredState, observed: TaskState) -> Step {
    match observed {
        TaskState::Complete
        | TaskState::Shutdown
        | TaskState::Failed
        | TaskState::Rejected
        | TaskState::Orphaned => Step::Rest,
        _ if desired >= DesiredState::Shutdown => Step::Stop,
        TaskState::New | TaskState::Pending | TaskState::Assigned => Step::Advance(TaskState::Accepted),
        TaskState::Accepted => Step::Advance(TaskState::Preparing),
        TaskState::Preparing => Step::Prepare,
        TaskState::Ready if desired == DesiredState::Ready => Step::Rest,
        TaskState::Ready => Step::Advance(TaskState::Starting),
        TaskState::Starting => Step::Start,
        TaskState::Running => Step::Await,
    }
}

/// Where a step that failed for good leaves the task: `Rejected` if it never started.
pub fn after_failure(observed: TaskState) -> TaskState {
    if observed < TaskState::Starting { TaskState::Rejected } else { TaskState::Failed }
}

/// Where the end of its container leaves the task, and why if that is a failure.
pub fn after_exit(desired: DesiredState, exit: ExitStatus) -> (TaskState, Option<String>) {
    match exit.code {
        _ if desired >= DesiredState::Shutdown => (TaskState::Shutdown, None),
        0 => (TaskState::Complete, None),
        _ => (TaskState::Failed, Some(describe_exit(exit))),
    }
}

/// Says how a container ended, for people.
fn describe_exit(exit: ExitStatus) -> String {
    let ExitStatus { code, oom_killed } = exit;
    if oom_killed {
        return format!(
            "killed by the kernel because its memory was used up (exit code {code}); raise its memory limit"
        );
    }
    match Signal::try_from(code - 128) {
        Ok(signal) => format!("ended by {signal} (exit code {code})"),
        Err(_) => format!("exited with code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes every step at once and without fault until nothing is left to do.
    fn rests_at(desired: DesiredState) -> TaskState {
        let mut observed = TaskState::Assigned;
        loop {
            observed = match next_step(desired, observed) {
                Step::Advance(to) => to,
                Step::Prepare => TaskState::Ready,
                Step::Start => TaskState::Running,
                Step::Stop => TaskState::Shutdown,
                Step::Await | Step::Rest => return observed,
            };
        }
    }

    #[test]
    fn a_task_comes_as_far_as_is_desired() {
        assert_eq!(rests_at(DesiredState::Ready), TaskState::Ready);
        assert_eq!(rests_at(DesiredState::Running), TaskState::Running);
        assert_eq!(rests_at(DesiredState::Shutdown), TaskState::Shutdown);
        assert_eq!(rests_at(DesiredState::Remove), TaskState::Shutdown);
    }

    #[test]
    fn no_step_leads_back() {
        for observed in TaskState::ALL {
            for desired in
                [DesiredState::Ready, DesiredState::Running, DesiredState::Shutdown, DesiredState::Remove]
            {
                if let Step::Advance(to) = next_step(desired, observed) {
                    assert!(to > observed, "{observed} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_task_that_is_over_needs_nothing_whatever_is_desired() {
        for observed in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
            assert_eq!(next_step(DesiredState::Running, observed), Step::Rest);
            assert_eq!(next_step(DesiredState::Remove, observed), Step::Rest);
        }
    }

    #[test]
    fn a_fault_before_the_start_rejects_and_a_later_one_fails() {
        assert_eq!(after_failure(TaskState::Preparing), TaskState::Rejected);
        assert_eq!(after_failure(TaskState::Ready), TaskState::Rejected);
        assert_eq!(after_failure(TaskState::Starting), TaskState::Failed);
        assert_eq!(after_failure(TaskState::Running), TaskState::Failed);
    }

    #[test]
    fn an_end_says_how_it_came_about() {
        let end = |desired, code, oom_killed| after_exit(desired, ExitStatus { code, oom_killed });
        assert_eq!(end(DesiredState::Running, 0, false), (TaskState::Complete, None));
        assert_eq!(end(DesiredState::Shutdown, 143, false), (TaskState::Shutdown, None));
        for (code, oom_killed, says) in [
            (3, false, "exited with code 3"),
            (139, false, "ended by SIGSEGV (exit code 139)"),
            (255, false, "exited with code 255"),
            (
                137,
                true,
                "killed by the kernel because its memory was used up (exit code 137); raise its memory limit",
            ),
        ] {
            assert_eq!(
                end(DesiredState::Running, code, oom_killed),
                (TaskState::Failed, Some(says.to_owned()))
            );
        }
    }
}
