//! What is told of a history in which a promise was broken, and how to see it again.

use super::{settings::Settings, trace::Trace};
use crate::invariants::Broken;
use std::{fmt, time::Duration};

/// A broken promise, with what led to it.
#[derive(Debug, Clone)]
pub struct Failure {
    seed: u64,
    at: Duration,
    promise: &'static str,
    what: String,
    last: Vec<String>,
}

impl Failure {
    pub(super) fn new(settings: &Settings, at: Duration, broken: &Broken, trace: &Trace) -> Self {
        Self {
            seed: settings.seed,
            at,
            promise: broken.promise,
            what: broken.what.clone(),
            last: trace.last().map(str::to_owned).collect(),
        }
    }

    /// The promise, by the name of its file.
    pub fn promise(&self) -> &'static str {
        self.promise
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "promise `{}` was broken after {:.3} virtual seconds",
            self.promise,
            self.at.as_secs_f64()
        )?;
        writeln!(f, "    {}", self.what)?;
        writeln!(f, "the last events:")?;
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "to see it again (SHOAL_TRACE=1 prints every event):")?;
        write!(
            f,
            "    SHOAL_SEED={} cargo test -p tests --test sim_histories -- replay --nocapture",
            self.seed
        )
    }
}

impl std::error::Error for Failure {}
