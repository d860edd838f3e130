//! Assignments: what a node is told of its tasks, whole at first and then only what is different.
//!
//! A node is told of every task that was assigned to it until the managers forget the task. That of one
//! that has ended tells the node to keep what is left of it, such as its output.

use crate::state::State;
use proto::model::{DesiredState, NodeId, Task, TaskId, TaskState};
use std::{collections::BTreeMap, sync::Arc};

/// One message to a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignments {
    /// Whether these are all of them: what is not named is not the node's any more.
    pub full: bool,
    /// One more than that of the message before; the first one's is 1.
    pub sequence: u64,
    /// Tasks that are new to the node, or of which something else is wanted.
    pub put: Vec<Arc<Task>>,
    /// Tasks that are the node's no more.
    pub remove: Vec<TaskId>,
}

/// What a node has been told in its session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    sequence: u64,
    tasks: BTreeMap<TaskId, Wish>,
}

/// All of a task that can change for its node once it is assigned: what is wanted of it, and whether
/// it was given up for lost. The rest the node itself reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    desired: DesiredState,
    orphaned: bool,
}

impl Told {
    /// What to tell the node now, which counts as told then; `None` if it knows everything. What a
    /// session is told first is full, even if it is nothing.
    pub fn tell(&mut self, state: &State, node: NodeId) -> Option<Assignments> {
        let assigned = |task: &&Arc<Task>| task.status.state >= TaskState::Assigned;
        let held: BTreeMap<TaskId, &Arc<Task>> =
            state.tasks_on(node).filter(assigned).map(|task| (task.id, task)).collect();
        let is_known = |task: &Task| self.tasks.get(&task.id) == Some(&Wish::of(task));
        let put: Vec<Arc<Task>> =
            held.values().filter(|task| !is_known(task)).map(|&task| task.clone()).collect();
        let remove: Vec<TaskId> = self.tasks.keys().filter(|id| !held.contains_key(id)).copied().collect();
        let full = self.sequence == 0;
        if !full && put.is_empty() && remove.is_empty() {
            return None;
        }
        self.sequence += 1;
        self.tasks.retain(|id, _| held.contains_key(id));
        self.tasks.extend(put.iter().map(|task| (task.id, Wish::of(task))));
        Some(Assignments { full, sequence: self.sequence, put, remove })
    }
}

impl Wish {
    fn of(task: &Task) -> Self {
        Self { desired: task.desired, orphaned: task.status.state == TaskState::Orphaned }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node, service};

    #[test]
    fn a_session_is_told_everything_first_and_then_what_is_different() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let web = bench.create(service("web").replicas(2));
        bench.pass();
        let mut told = Told::default();
        let first = told.tell(&bench.state, node).unwrap();
        assert_eq!((first.full, first.sequence, first.put.len()), (true, 1, 2));
        assert_eq!(told.tell(&bench.state, node), None);

        bench.scale(web, 1);
        bench.pass();
        let stop = told.tell(&bench.state, node).unwrap();
        assert_eq!((stop.full, stop.sequence), (false, 2));
        assert_eq!(stop.put.iter().map(|task| task.desired).collect::<Vec<_>>(), [DesiredState::Remove]);

        let stopped = stop.put[0].id;
        bench.settle();
        let gone = told.tell(&bench.state, node).unwrap();
        assert_eq!((gone.sequence, gone.put.len(), gone.remove), (3, 0, vec![stopped]));
    }

    #[test]
    fn a_session_without_tasks_is_told_so() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let mut told = Told::default();
        assert_eq!(
            told.tell(&bench.state, node),
            Some(Assignments { full: true, sequence: 1, put: vec![], remove: vec![] })
        );
        assert_eq!(told.tell(&bench.state, node), None);
    }

    #[test]
    fn what_the_node_itself_reports_is_not_told_back() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        bench.create(service("web").replicas(1));
        bench.pass();
        let mut told = Told::default();
        told.tell(&bench.state, node);
        bench.settle();
        assert_eq!(told.tell(&bench.state, node), None);
    }

    #[test]
    fn a_task_that_has_not_been_assigned_is_not_told() {
        let mut bench = Bench::new();
        let node = bench.add(node(1).label("disk", "hdd"));
        bench.create(service("agent").global().memory(u64::MAX));
        bench.pass();
        assert_eq!(bench.state.tasks_on(node).count(), 1);
        assert_eq!(Told::default().tell(&bench.state, node).unwrap().put, vec![]);
    }
}
