//! Rolling updates: how they are to go, and how far one has come.

use super::{SlotKey, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// How a change of a service is brought to its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutConfig {
    /// Slots replaced at the same time; zero is all at once.
    pub parallelism: u32,
    /// Pause after a new task runs, before the next slot is begun in its place.
    pub delay: Duration,
    /// What to do when too many tasks fail.
    pub failure_action: FailureAction,
    /// How long a new task is watched after it runs; ending in that time is a failure.
    pub monitor: Duration,
    /// Share of failed slots, 0 to 1, that is tolerated.
    pub max_failure_ratio: f32,
    /// Whether the old task ends before the new one starts.
    pub order: RolloutOrder,
    /// How long a slot's new task may take until it runs, before it counts as failed; zero is for ever.
    #[serde(default)]
    pub progress_deadline: Duration,
    /// Slots that get the new spec first; the others wait until a person promotes it. Zero is none. Only
    /// of updates.
    #[serde(default)]
    pub canary: u32,
}

/// How long a new task may take until it runs, unless asked otherwise; Kubernetes' and Nomad's default.
pub const PROGRESS_DEADLINE: Duration = Duration::from_secs(600);

impl Default for RolloutConfig {
    /// Docker's defaults: one at a time, watched for five seconds, pausing at the first failure. Docker
    /// has no deadline and no canaries.
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Duration::ZERO,
            failure_action: FailureAction::Pause,
            monitor: Duration::from_secs(5),
            max_failure_ratio: 0.0,
            order: RolloutOrder::StopFirst,
            progress_deadline: PROGRESS_DEADLINE,
            canary: 0,
        }
    }
}

/// What to do when an update fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureAction {
    /// Stop replacing tasks and wait for a person.
    Pause,
    /// Go on with the other slots.
    Continue,
    /// Bring back the previous spec. Not for rollbacks themselves.
    Rollback,
}

/// Which of the two tasks of a slot acts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutOrder {
    /// The old task ends, then the new one starts.
    StopFirst,
    /// The new task runs, then the old one ends.
    StartFirst,
}

/// The stage of a rollout.
///
/// ```text
/// Held <--> Updating -> Completed
///              |  `---> Paused
///              v
/// RollingBack -> RolledBack
///       `------> RollbackPaused
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutState {
    /// The new spec is on its way.
    Updating,
    /// Too many failures, or a person's wish; some slots have the new spec, some the old one.
    Paused,
    /// Every slot has the new spec.
    Completed,
    /// The previous spec is on its way back.
    RollingBack,
    /// Too many failures on the way back.
    RollbackPaused,
    /// Every slot has the previous spec again.
    RolledBack,
    /// The canaries have the new spec, the other slots the old one; a person promotes it or goes back.
    Held,
}

impl RolloutState {
    /// Whether slots are being replaced.
    pub fn in_progress(self) -> bool {
        matches!(self, RolloutState::Updating | RolloutState::RollingBack)
    }

    /// Whether a new spec has not reached every slot, so that it may still be gone back from.
    pub fn is_unsettled(self) -> bool {
        matches!(self, RolloutState::Updating | RolloutState::Paused | RolloutState::Held)
    }
}

impl fmt::Display for RolloutState {
    /// Writes the state as docker's API does, which has no canaries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RolloutState::Updating => "updating",
            RolloutState::Paused => "paused",
            RolloutState::Completed => "completed",
            RolloutState::RollingBack => "rollback_started",
            RolloutState::RollbackPaused => "rollback_paused",
            RolloutState::RolledBack => "rollback_completed",
            RolloutState::Held => "awaiting_promotion",
        })
    }
}

/// How far a rollout has come. It is part of the replicated state, so that a new leader carries on
/// in the middle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The stage.
    pub state: RolloutState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended or was paused.
    pub ended_at: Option<Timestamp>,
    /// How far it is, or why it ended, for people.
    pub message: String,
    /// Why the managers began it, if no person did.
    pub cause: Option<String>,
    /// The slots begun so far; emptied when every slot is done.
    pub slots: BTreeMap<SlotKey, SlotProgress>,
    /// How many slots it is about, and what became of them.
    #[serde(default)]
    pub counts: RolloutCounts,
    /// Whether the slots beside the canaries get the new spec too.
    #[serde(default)]
    pub promoted: bool,
}

/// What has become of the slots of a rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutCounts {
    /// The slots it is about.
    pub total: u32,
    /// Those that are done, well or not.
    pub done: u32,
    /// Those of the done ones whose new task failed.
    pub failed: u32,
}

/// How far one slot of a rollout has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotProgress {
    /// A new task takes the slot over and is not running yet.
    Replacing {
        /// The new task.
        task: TaskId,
        /// Since when one was tried; the deadline counts from here.
        #[serde(default)]
        since: Timestamp,
    },
    /// The new task runs and is watched.
    Watching {
        /// The new task.
        task: TaskId,
        /// Since when it runs.
        since: Timestamp,
    },
    /// The new task was watched for long enough, or failed.
    Done {
        /// When.
        at: Timestamp,
        /// Whether the new task failed.
        failed: bool,
    },
}
