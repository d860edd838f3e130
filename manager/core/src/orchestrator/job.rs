//! Jobs: tasks that are to complete, each in a slot of its own, some of them at a time.
//!
//! A run begins when the service is created, and anew with each update; tasks of earlier runs are removed. A task that
//! completes stays as the record of that. One that ends otherwise is replaced in its slot after the restart policy's
//! back-off, where `any` means the same as `on-failure`; one whose node is lost, or has to be left, is replaced at once,
//! which counts as no failure. A run ends
//!
//! - with success, when every slot has completed;
//! - as failed, at its deadline, beyond its back-off limit, or when no slot is left that the policy lets go on.
//!
//! What still runs then is stopped, and after its time to live the service is removed. The run of a global job has a slot on
//! each node that fits, also on those that join after it has ended with success.

use super::{
    global, is_lost, must_leave, new_task,
    restart::{Verdict, judge},
    slots::{self, SlotTasks, Slots},
};
use crate::{
    Decision,
    decision::unchanged,
    state::{Change, NewTask, State},
};
use proto::model::{
    DesiredState, GivenUp, IdSource, JobEnd, JobRun, RestartCondition, RestartHistory, RestartPolicy,
    Service, ServiceMode, SlotKey, Task, TaskState, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};

/// A service as it is after a person asked for something: a job runs anew, whatever else is different.
pub fn begin(service: Service, now: Timestamp) -> Service {
    if !service.spec.mode.is_job() {
        return service;
    }
    let previous = service.previous.iter().map(|before| before.task_version);
    let known = service.revisions.iter().map(|revision| revision.task_version).chain(previous);
    let task_version = known.fold(service.version.max(service.task_version), u64::max) + 1;
    let job = Some(JobRun::begin(service.job.as_ref(), now));
    Service { task_version, rollout: None, restarts: BTreeMap::new(), job, ..service }
}

/// Moves the runs of all jobs on.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    for service in state.services().filter(|service| !service.removing && service.spec.mode.is_job()) {
        let Some(run) = &service.job else { continue };
        let slots = Slots::of(state, service.id);
        remove_earlier(service, &slots, &mut decision);
        let goes_on = |end: &JobEnd| end.failure.is_none() && service.spec.mode == ServiceMode::GlobalJob;
        match &run.end {
            Some(end) if !goes_on(end) => stop_rest(service, &slots, &mut decision),
            _ => Run { state, service, run, now }.carry_on(&slots, ids, &mut decision),
        }
        if let (Some(end), Some(ttl)) = (&run.end, service.spec.job.ttl) {
            outlive(service, end.at + ttl, now, &mut decision);
        }
    }
    decision
}

fn remove_earlier(service: &Service, slots: &Slots<'_>, decision: &mut Decision) {
    for task in slots.iter().flat_map(|slot| slot.tasks) {
        if task.task_version != service.task_version && task.desired < DesiredState::Remove {
            let remove = Change::SetDesired { task: task.id, desired: DesiredState::Remove };
            decision.propose(unchanged(service), [remove]);
        }
    }
}

fn stop_rest(service: &Service, slots: &Slots<'_>, decision: &mut Decision) {
    for task in slots.iter().flat_map(|slot| slot.live()).filter(|task| !task.status.state.is_terminal()) {
        decision.propose(unchanged(service), [stop(task)]);
    }
}

/// Removes the service once its time has come, as a person would.
fn outlive(service: &Service, at: Timestamp, now: Timestamp, decision: &mut Decision) {
    if at > now {
        return decision.wake(at);
    }
    let removed = Service { removing: true, rollout: None, updated_at: now, ..service.clone() };
    decision.propose(unchanged(service), [Change::PutService(Box::new(removed))]);
}

fn stop(task: &Task) -> Change {
    Change::SetDesired { task: task.id, desired: DesiredState::Shutdown }
}

/// A run that goes on.
struct Run<'a> {
    state: &'a State,
    service: &'a Service,
    run: &'a JobRun,
    now: Timestamp,
}

/// How a slot stands.
enum Stand<'a> {
    Completed,
    /// It has a task that is under way.
    Active,
    /// It has one that ended before the time it was to be started at, which is waited for.
    Held(Timestamp),
    /// Its task's node is lost, or has to be left.
    Lost(&'a Task),
    /// Its task ended without completing.
    Failed(&'a Task),
    /// The policy allows no further task.
    GivenUp,
    Empty,
}

impl Run<'_> {
    fn carry_on(&self, slots: &Slots<'_>, ids: &mut dyn IdSource, decision: &mut Decision) {
        let by_key: BTreeMap<SlotKey, SlotTasks<'_>> = slots.iter().map(|slot| (slot.key, slot)).collect();
        let wanted = self.wanted();
        self.leave_others(&by_key, &wanted, decision);
        let (mut completed, mut active) = (0, 0);
        let mut run = self.run.clone();
        let mut waiting: Vec<(SlotKey, Timestamp)> = Vec::new();
        let mut empty: Vec<(SlotKey, Timestamp)> = Vec::new();
        for &key in &wanted {
            match by_key.get(&key).map_or_else(|| self.without_task(key), |slot| self.stand(slot)) {
                Stand::Completed => completed += 1,
                Stand::Active => active += 1,
                Stand::Held(until) => {
                    active += 1;
                    decision.wake(until);
                }
                Stand::Lost(task) => {
                    decision.propose(unchanged(self.service), [stop(task)]);
                    waiting.push((key, self.now));
                }
                Stand::Failed(task) => {
                    run.failures = run.failures.saturating_add(1);
                    let at = self.fail(key, task, &run, decision);
                    waiting.extend(at.map(|at| (key, at)));
                }
                Stand::GivenUp => {}
                Stand::Empty => empty.push((key, self.now)),
            }
        }
        waiting.append(&mut empty);
        let is_complete = completed == wanted.len() && (!wanted.is_empty() || !self.is_global());
        let is_stuck = active == 0 && waiting.is_empty() && !is_complete && !wanted.is_empty();
        match self.end(&run, is_complete, is_stuck, decision) {
            Some(end) if self.run.end.is_none() => {
                let run = JobRun { end: Some(end), ..run };
                let change = Change::SetJobRun { service: self.service.id, run };
                decision.propose(unchanged(self.service), [change]);
            }
            _ => {
                let room = self.max_concurrent().saturating_sub(active);
                for (key, at) in waiting.into_iter().take(room) {
                    let task = self.task(key, by_key.get(&key), at, ids);
                    decision.propose(unchanged(self.service), [Change::CreateTask(task)]);
                }
            }
        }
    }

    fn is_global(&self) -> bool {
        self.service.spec.mode == ServiceMode::GlobalJob
    }

    /// The slots that are to complete.
    fn wanted(&self) -> BTreeSet<SlotKey> {
        match self.service.spec.mode {
            ServiceMode::ReplicatedJob { total, .. } => (0..total).map(SlotKey::Replica).collect(),
            _ => {
                let fits = |node: &&std::sync::Arc<proto::model::Node>| global::accepts(node, self.service);
                self.state.nodes().filter(fits).map(|node| SlotKey::Node(node.id)).collect()
            }
        }
    }

    fn max_concurrent(&self) -> usize {
        match self.service.spec.mode {
            ServiceMode::ReplicatedJob { max_concurrent, .. } => max_concurrent as usize,
            _ => usize::MAX,
        }
    }

    /// Stops tasks on nodes that a global job has to leave.
    fn leave_others(
        &self,
        by_key: &BTreeMap<SlotKey, SlotTasks<'_>>,
        wanted: &BTreeSet<SlotKey>,
        decision: &mut Decision,
    ) {
        for slot in by_key.iter().filter(|(key, _)| !wanted.contains(key)).map(|(_, slot)| slot) {
            if let Stand::Lost(task) = self.stand(slot) {
                decision.propose(unchanged(self.service), [stop(task)]);
            }
        }
    }

    fn stand<'a>(&self, slot: &SlotTasks<'a>) -> Stand<'a> {
        let of_run = |task: &&&Task| task.task_version == self.service.task_version;
        let mut tasks = slot.tasks.iter().filter(of_run);
        if tasks.any(|task| task.status.state == TaskState::Complete) {
            return Stand::Completed;
        }
        let live = slot.live().filter(|task| task.task_version == self.service.task_version);
        let Some(task) = live.max_by_key(|task| slots::age(task)) else { return self.without_task(slot.key) };
        match task.status.state {
            TaskState::Orphaned => Stand::Lost(task),
            ended if ended.is_terminal() => match task.start_after.filter(|&at| at > self.now) {
                Some(until) => Stand::Held(until),
                None => Stand::Failed(task),
            },
            _ if is_lost(self.state, task) || must_leave(self.state, task) => Stand::Lost(task),
            _ => Stand::Active,
        }
    }

    fn without_task(&self, key: SlotKey) -> Stand<'static> {
        if slots::is_given_up(self.service, key) { Stand::GivenUp } else { Stand::Empty }
    }

    /// Stops a task that failed, and says when the next one may be started; `None` if there is none.
    fn fail(&self, key: SlotKey, task: &Task, run: &JobRun, decision: &mut Decision) -> Option<Timestamp> {
        let condition = match self.service.spec.task.restart.condition {
            RestartCondition::None => RestartCondition::None,
            RestartCondition::OnFailure | RestartCondition::Any => RestartCondition::OnFailure,
        };
        let policy = RestartPolicy { condition, ..self.service.spec.task.restart.clone() };
        let before = self.service.restarts.get(&key).cloned().unwrap_or_default();
        let (at, history) = match judge(&policy, &before, task, self.now) {
            Verdict::Restart { at, history } => (Some(at), history),
            Verdict::GiveUp { reason } => {
                let given_up = GivenUp { task: task.id, task_version: task.task_version, reason };
                (None, RestartHistory { given_up: Some(given_up), ..before })
            }
        };
        let service = self.service.id;
        let history = Change::SetRestarts { service, slot: key, history: Some(history) };
        let run = Change::SetJobRun { service, run: run.clone() };
        decision.propose(unchanged(self.service), [stop(task), history, run]);
        at
    }

    /// How the run ends, if it does now; otherwise sees to it that its deadline is not missed.
    fn end(
        &self,
        run: &JobRun,
        is_complete: bool,
        is_stuck: bool,
        decision: &mut Decision,
    ) -> Option<JobEnd> {
        let config = self.service.spec.job;
        let deadline = config.deadline.map(|span| (span, run.started_at + span));
        let is_beyond = config.backoff_limit.is_some_and(|limit| run.failures > limit);
        let failure = match deadline {
            _ if is_complete => None,
            _ if is_beyond => {
                Some(format!("{} tasks failed, which is beyond the back-off limit", run.failures))
            }
            Some((span, at)) if at <= self.now => Some(format!("it did not complete within {span:?}")),
            _ if is_stuck => Some("the restart policy lets no task go on".to_owned()),
            Some((_, at)) => {
                decision.wake(at);
                return None;
            }
            None => return None,
        };
        Some(JobEnd { at: self.now, failure })
    }

    fn task(
        &self,
        key: SlotKey,
        slot: Option<&SlotTasks<'_>>,
        at: Timestamp,
        ids: &mut dyn IdSource,
    ) -> NewTask {
        let waits = slot.is_some_and(|slot| slot.tasks.iter().any(|task| slots::holds_node(task)));
        let start_after = Some(at).filter(|&at| at > self.now);
        // It is started by the handover.
        let desired =
            if waits || start_after.is_some() { DesiredState::Ready } else { DesiredState::Running };
        NewTask { start_after, ..new_task(self.service, key, desired, self.now, ids) }
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
