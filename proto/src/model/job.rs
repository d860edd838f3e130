//! Jobs: services whose tasks are to complete, not to run for ever.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What bounds a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobConfig {
    /// How long a run may take before it is stopped and counts as failed.
    pub deadline: Option<Duration>,
    /// How many tasks of a run may fail before it is stopped and counts as failed.
    pub backoff_limit: Option<u32>,
    /// How long after a run has ended the service is removed.
    pub ttl: Option<Duration>,
}

/// One run of a job: begun when the service is created, and anew with each update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// Counts the runs, from 1.
    pub iteration: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// How many of its tasks have failed.
    pub failures: u32,
    /// How it ended, if it has.
    pub end: Option<JobEnd>,
}

/// How a run of a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnd {
    /// When.
    pub at: Timestamp,
    /// Why it failed, for people; `None` if every task completed.
    pub failure: Option<String>,
}

impl JobRun {
    /// A run that begins now, after the one before.
    pub fn begin(before: Option<&JobRun>, now: Timestamp) -> Self {
        let iteration = before.map_or(0, |run| run.iteration) + 1;
        Self { iteration, started_at: now, failures: 0, end: None }
    }
}
