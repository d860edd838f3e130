//! What must hold in every history, a file for each promise.
//!
//! Most are looked at after each committed transaction, or when a container starts; those of
//! [`converged`] hold when nothing has gone wrong for a while.

pub mod a_node_gets_only_its_own_tasks;
mod a_task_is_started_once;
pub mod acknowledged_changes_stay;
pub mod agents_clean_up;
mod agents_know_what_managers_know;
mod canaries_stay_few;
mod containers;
pub mod converged;
mod drained_nodes_empty_out;
mod jobs_end;
pub mod members_agree;
mod no_host_port_twice;
mod no_leases_are_left;
pub mod no_number_twice;
mod no_port_of_every_node_twice;
mod no_two_tasks_of_a_slot_run;
mod nodes_know_their_networks;
mod nothing_else_runs;
pub mod plan_rests;
mod reservations_fit;
mod rollouts_end;
mod services_run_as_wanted;
pub mod specs_are_the_users;
pub mod state_never_goes_back;
pub mod stops_wait_for_balancers;
mod tasks_that_wait_have_to;
mod update_respects_parallelism;

use acknowledged_changes_stay::Acknowledged;
use containers::Containers;
use manager_core::state::{Event, EventKind, ObjectId, State, Transaction};
use proto::model::{NodeId, ServiceId, Task, TaskId, TaskState};
use specs_are_the_users::Written;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use stops_wait_for_balancers::Draining;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The name of its file.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

impl Broken {
    /// A broken promise.
    pub fn new(promise: &'static str, what: String) -> Self {
        Self { promise, what }
    }
}

/// Whether a promise was kept.
pub type Kept = Result<(), Broken>;

/// A transaction that was committed.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The state before it.
    pub before: &'a State,
    /// The state after it.
    pub after: &'a State,
    /// The transaction.
    pub transaction: &'a Transaction,
    /// What it changed.
    pub events: &'a [Event],
}

impl<'a> Step<'a> {
    fn put(&self) -> impl Iterator<Item = ObjectId> + use<'a> {
        self.events.iter().filter(|event| event.kind == EventKind::Put).map(|event| event.object)
    }

    /// The tasks that are new or changed.
    fn tasks(&self) -> impl Iterator<Item = &'a Arc<Task>> + use<'a> {
        let after = self.after;
        self.put().filter_map(move |object| match object {
            ObjectId::Task(id) => after.task(id),
            _ => None,
        })
    }

    /// The services that are new or changed, or of which a task is.
    fn services(&self) -> BTreeSet<ServiceId> {
        let changed = self.put().filter_map(|object| match object {
            ObjectId::Service(id) => Some(id),
            _ => None,
        });
        changed.chain(self.tasks().map(|task| task.service)).collect()
    }

    /// The nodes that are new or changed, or of which a task is.
    fn nodes(&self) -> BTreeSet<NodeId> {
        let changed = self.put().filter_map(|object| match object {
            ObjectId::Node(id) => Some(id),
            _ => None,
        });
        changed.chain(self.tasks().filter_map(|task| task.node)).collect()
    }
}

/// What must hold, with what has to be remembered for it.
#[derive(Debug, Default)]
pub struct Promises {
    /// The specs that people wrote.
    pub written: Written,
    /// What people were told is done.
    pub acknowledged: Acknowledged,
    /// The tasks that drain.
    pub draining: Draining,
    containers: Containers,
}

impl Promises {
    /// Looks at a committed transaction.
    pub fn after_transaction(&mut self, step: &Step<'_>, now: Duration) -> Kept {
        self.containers.note_absences(step, now);
        state_never_goes_back::check(step)?;
        self.written.check(step)?;
        no_two_tasks_of_a_slot_run::check(step)?;
        no_host_port_twice::check(step)?;
        no_number_twice::check(step)?;
        no_port_of_every_node_twice::check(step)?;
        reservations_fit::check(step)?;
        update_respects_parallelism::check(step)?;
        canaries_stay_few::check(step)
    }

    /// Looks at a container that begins to run.
    pub fn container_started(&mut self, task: &Task, node: NodeId, now: Duration, state: &State) -> Kept {
        a_task_is_started_once::check(&self.containers, task)?;
        no_two_tasks_of_a_slot_run::check_containers(&self.containers, task, node, now, state)?;
        no_host_port_twice::check_containers(&self.containers, task, node)?;
        no_number_twice::check_containers(&self.containers, task, state)?;
        reservations_fit::check_containers(&self.containers, task, node, state)?;
        self.containers.start(task, node);
        Ok(())
    }

    /// How many containers were ever started.
    pub fn containers_started(&self) -> usize {
        self.containers.started()
    }

    /// Notes that a container has ended.
    pub fn container_ended(&mut self, task: TaskId) {
        self.containers.end(task);
    }
}

/// Whether a task may occupy its node: it was assigned, and its end is not confirmed.
fn holds_node(task: &Task) -> bool {
    task.status.state >= TaskState::Assigned && !task.status.state.is_terminal()
}

/// A task as a message names it.
fn named(task: &Task) -> String {
    format!(
        "task {} of {}.{}, which is {} and wanted {}",
        task.id.short(6),
        task.spec.name,
        task.slot,
        task.status.state,
        task.desired
    )
}
