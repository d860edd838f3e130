//! Jobs: what bounds them, and how far a run is.

use super::{bounds, time::millis};
use crate::{
    model::{JobConfig, JobRun, Problems},
    wire,
};

impl From<&JobConfig> for wire::JobConfig {
    fn from(config: &JobConfig) -> Self {
        wire::JobConfig {
            deadline_ms: config.deadline.map(millis),
            backoff_limit: config.backoff_limit,
            ttl_ms: config.ttl.map(millis),
        }
    }
}

/// Reads what bounds a job.
pub(super) fn config(wire: Option<wire::JobConfig>, problems: &mut Problems) -> JobConfig {
    let wire::JobConfig { deadline_ms, backoff_limit, ttl_ms } = wire.unwrap_or_default();
    let deadline = deadline_ms.map(|millis| bounds::span("--job-deadline", millis, problems));
    if deadline.is_some_and(|deadline| deadline.is_zero()) {
        problems.add(
            "--job-deadline",
            "0s leaves no time for anything: give more, or leave it out for no deadline",
        );
    }
    let ttl = ttl_ms.map(|millis| bounds::span("--job-ttl", millis, problems));
    JobConfig { deadline, backoff_limit, ttl }
}

impl From<&JobRun> for wire::JobStatus {
    /// Leaves the number of completed tasks zero: the answering manager fills it in.
    fn from(run: &JobRun) -> Self {
        wire::JobStatus {
            iteration: run.iteration,
            started_at: run.started_at.0,
            failures: run.failures,
            ended_at: run.end.as_ref().map(|end| end.at.0),
            failure: run.end.as_ref().and_then(|end| end.failure.clone()).unwrap_or_default(),
            completed_tasks: 0,
            total_tasks: 0,
        }
    }
}
