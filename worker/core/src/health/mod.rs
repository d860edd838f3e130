//! Health: which probes a container gets, when, and what follows from their answers.
//!
//! ```text
//! started -> startup succeeds -> health and readiness succeed once -> it runs
//!                                   |                |
//!                  fails `retries` times in a row    '-> fails so often: no connections, until it succeeds
//!                                   '-> it is replaced
//! ```
//!
//! Until a probe has succeeded it is made more often, so that nobody waits for the rest of an interval;
//! but a failure counts at most once in an interval, and none in the start period, so a container has
//! the time that docker would give it.

mod image;
mod plan;
#[cfg(test)]
mod tests;

pub use image::{ImageHealthError, image_health};
pub use plan::{Check, Plan};

use proto::model::ProbeRole;
use std::{collections::BTreeMap, time::Duration};

/// The most of a probe's answer that is kept, in characters.
const ANSWER_CHARS_MAX: usize = 300;

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it succeeded.
    pub passed: bool,
    /// What was seen, for people.
    pub seen: String,
}

/// What a container's probes say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether it may get connections. The first time, it counts as running.
    pub ready: bool,
    /// Why it has to be replaced, if it has to.
    pub unhealthy: Option<String>,
    /// Why it may get none, for people.
    pub message: String,
}

/// The probes of one container that runs.
#[derive(Debug)]
pub struct Health {
    plan: Plan,
    tracks: BTreeMap<ProbeRole, Track>,
    /// Since when failures can count.
    since: Duration,
    finding: Finding,
}

/// How one probe stands.
#[derive(Debug, Default)]
struct Track {
    /// When it is made next; `None` while an answer is awaited.
    next: Option<Duration>,
    /// Whether it has ever succeeded.
    passed: bool,
    /// Whether the last answers say that it works.
    holds: bool,
    failures: u32,
    /// When the last failure counted.
    counted: Duration,
    seen: String,
}

impl Health {
    /// Begins with a container that was just started.
    pub fn new(plan: Plan, now: Duration) -> Self {
        Self::begin(plan, now, false)
    }

    /// Goes on with one that ran before, whose probes had succeeded.
    pub fn resumed(plan: Plan, ready: bool, now: Duration) -> Self {
        let mut health = Self::begin(plan, now, true);
        if let Some(track) = health.tracks.get_mut(&ProbeRole::Readiness) {
            track.holds = ready;
        }
        health.finding.ready = ready;
        health
    }

    fn begin(plan: Plan, now: Duration, passed: bool) -> Self {
        let track = |(&role, _): (&ProbeRole, &Check)| {
            let track = Track { next: Some(now), passed, holds: passed, counted: now, ..Track::default() };
            (role, track)
        };
        let tracks = plan.checks.iter().map(track).collect();
        Self { plan, tracks, since: now, finding: Finding::default() }
    }

    /// The probes to be made now. Each is asked for once, until it is answered.
    pub fn due(&mut self, now: Duration) -> Vec<(ProbeRole, Check)> {
        let open = self.open();
        let mut due = Vec::new();
        for (role, track) in &mut self.tracks {
            if open.contains(role) && track.next.is_some_and(|at| at <= now) {
                track.next = None;
                due.extend(self.plan.checks.get(role).map(|check| (*role, check.clone())));
            }
        }
        due
    }

    /// When something is to be done next; `None` if an answer has to come first.
    pub fn next(&self) -> Option<Duration> {
        self.open().iter().filter_map(|role| self.tracks.get(role)?.next).min()
    }

    /// Takes an answer in; says what is found now, if that is something else than before.
    pub fn answered(&mut self, role: ProbeRole, answer: Answer, now: Duration) -> Option<Finding> {
        let was_up = self.is_up();
        let check = self.plan.checks.get(&role)?.clone();
        let track = self.tracks.get_mut(&role)?;
        track.take(&check, answer, self.since, now);
        if !was_up && self.is_up() {
            // From here on the others count.
            self.since = now;
            self.tracks.values_mut().for_each(|track| track.counted = now);
        }
        let found = self.find();
        let is_new = (found.ready, &found.unhealthy) != (self.finding.ready, &self.finding.unhealthy)
            || found.message.is_empty() != self.finding.message.is_empty();
        is_new.then(|| {
            self.finding = found.clone();
            found
        })
    }

    /// The probes that are made at this stage.
    fn open(&self) -> Vec<ProbeRole> {
        let is_open = |role: &ProbeRole| (*role == ProbeRole::Startup) != self.is_up();
        self.tracks.keys().copied().filter(is_open).collect()
    }

    /// Whether the startup probe, if there is one, has succeeded.
    fn is_up(&self) -> bool {
        self.tracks.get(&ProbeRole::Startup).is_none_or(|startup| startup.passed)
    }

    fn find(&self) -> Finding {
        let failed = |role: ProbeRole| {
            let (track, check) = (self.tracks.get(&role)?, self.plan.checks.get(&role)?);
            let has_failed = track.failures >= check.retries && role != ProbeRole::Readiness;
            let times =
                if check.retries == 1 { "once".to_owned() } else { format!("{} times", check.retries) };
            has_failed.then(|| format!("{} probe ({check}) failed {times}: {}", role.as_str(), track.seen))
        };
        let unhealthy = failed(ProbeRole::Startup).or_else(|| failed(ProbeRole::Health));
        let holds = |(role, track): (&ProbeRole, &Track)| match role {
            ProbeRole::Startup | ProbeRole::Health => track.passed,
            ProbeRole::Readiness => track.holds,
        };
        let ready = unhealthy.is_none() && self.tracks.iter().all(holds);
        let waits = self.open().into_iter().find_map(|role| {
            let (track, check) = (self.tracks.get(&role)?, self.plan.checks.get(&role)?);
            let fails = !holds((&role, track)) && !track.seen.is_empty();
            fails.then(|| format!("{} probe ({check}) fails: {}", role.as_str(), track.seen))
        });
        let message = if ready { String::new() } else { waits.unwrap_or_default() };
        Finding { ready, unhealthy, message }
    }
}

impl Track {
    fn take(&mut self, check: &Check, answer: Answer, since: Duration, now: Duration) {
        self.seen = answer.seen.chars().take(ANSWER_CHARS_MAX).collect();
        if answer.passed {
            (self.passed, self.holds, self.failures) = (true, true, 0);
            self.seen.clear();
        } else if self.passed {
            self.failures += 1;
        } else if now >= (since + check.start_period).max(self.counted + check.interval) {
            (self.failures, self.counted) = (self.failures + 1, now);
        }
        if self.failures >= check.retries {
            self.holds = false;
        }
        let pause = if self.passed { check.interval } else { check.interval.min(check.start_interval) };
        self.next = Some(now + pause);
    }
}
