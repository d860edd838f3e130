//! Reaper: forgets tasks and services of which nothing is left.
//!
//! A task may be forgotten once nothing of it can be on a node: it never had one, its end is
//! confirmed, it was orphaned, or its node was removed. Of these go
//!
//! - those to be removed, and those that were stopped before they had a node;
//! - per slot the oldest ones beyond the cluster's history limit.
//!
//! The last task of a slot stays while there is no other: it shows why the slot is empty. A service
//! that is being removed has its tasks stopped, and goes with the last of them.

use crate::{
    Decision,
    decision::unchanged,
    orchestrator::slots::{self, SlotTasks, Slots},
    state::{Change, State},
};
use proto::model::{DesiredState, Service, Task, TaskState};
use std::cmp::Reverse;

/// Forgets what is over.
pub fn decide(state: &State) -> Decision {
    let mut decision = Decision::default();
    let limit = state.cluster().map_or(0, |cluster| cluster.spec.task_history_limit as usize);
    for service in state.services() {
        let slots = Slots::of(state, service.id);
        if service.removing {
            remove(state, service, &slots, &mut decision);
            continue;
        }
        for slot in slots.iter() {
            forget_removed(state, &slot, &mut decision);
            trim_history(state, &slot, limit, &mut decision);
        }
    }
    decision
}

/// Whether nothing of the task can be on a node.
fn is_gone(state: &State, task: &Task) -> bool {
    !slots::holds_node(task) || task.node.is_none_or(|node| state.node(node).is_none())
}

fn forget(task: &Task) -> [Change; 1] {
    [Change::DeleteTask(task.id)]
}

fn remove(state: &State, service: &Service, slots: &Slots<'_>, decision: &mut Decision) {
    let mut left = 0;
    for task in slots.iter().flat_map(|slot| slot.tasks) {
        if is_gone(state, task) {
            decision.propose(None, forget(task));
            continue;
        }
        left += 1;
        if task.desired < DesiredState::Remove {
            let change = Change::SetDesired { task: task.id, desired: DesiredState::Remove };
            decision.propose(unchanged(service), [change]);
        }
    }
    if left == 0 {
        decision.propose(unchanged(service), [Change::DeleteService(service.id)]);
    }
}

fn forget_removed(state: &State, slot: &SlotTasks<'_>, decision: &mut Decision) {
    let never_placed = |task: &Task| !slots::is_live(task) && task.status.state < TaskState::Assigned;
    let is_over =
        |task: &&&Task| (task.desired == DesiredState::Remove && is_gone(state, task)) || never_placed(task);
    for task in slot.tasks.iter().filter(is_over) {
        decision.propose(None, forget(task));
    }
}

fn trim_history(state: &State, slot: &SlotTasks<'_>, limit: usize, decision: &mut Decision) {
    let is_history = |task: &&Task| {
        task.desired == DesiredState::Shutdown
            && task.status.state >= TaskState::Assigned
            && is_gone(state, task)
    };
    let mut history: Vec<&Task> = slot.tasks.iter().copied().filter(is_history).collect();
    history.sort_by_key(|task| Reverse(slots::age(task)));
    let kept = if slot.live().next().is_some() { limit } else { limit.max(1) };
    for task in history.into_iter().skip(kept) {
        decision.propose(None, forget(task));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, node, service};
    use proto::model::{RestartCondition, TaskState};

    fn bench(history_limit: u32) -> Bench {
        let mut bench = Bench::new();
        bench.edit_cluster(|cluster| cluster.spec.task_history_limit = history_limit);
        bench.add(node(1));
        bench
    }

    #[test]
    fn the_oldest_ended_tasks_of_a_slot_are_forgotten_beyond_the_limit() {
        let mut bench = bench(2);
        let web = bench.create(service("web").replicas(1));
        bench.settle();
        for _ in 0..4 {
            bench.fail_one(web);
            bench.settle();
        }
        let mut states = bench.states(web);
        states.sort();
        assert_eq!(states, [TaskState::Running, TaskState::Failed, TaskState::Failed]);
    }

    #[test]
    fn the_last_task_of_a_slot_that_was_given_up_is_kept() {
        let mut bench = bench(0);
        let web = bench
            .create(service("web").replicas(1).restart(|policy| policy.condition = RestartCondition::None));
        bench.settle();
        bench.fail_one(web);
        bench.settle();
        assert_eq!(bench.states(web), [TaskState::Failed]);
    }

    #[test]
    fn a_task_is_kept_until_its_node_confirms_the_end() {
        let mut bench = bench(5);
        let web = bench.create(service("web").replicas(1));
        bench.settle();
        bench.scale(web, 0);
        bench.pass();
        assert_eq!(bench.states(web), [TaskState::Running]);
        bench.settle();
        assert_eq!(bench.states(web), []);
    }

    #[test]
    fn a_service_goes_when_its_last_task_has_ended() {
        let mut bench = bench(5);
        let web = bench.create(service("web").replicas(2));
        bench.settle();
        bench.remove(web);
        bench.pass();
        assert!(bench.state.service(web).is_some());
        bench.settle();
        assert!(bench.state.service(web).is_none());
    }

    #[test]
    fn the_name_of_a_service_that_is_being_removed_is_free() {
        let mut bench = bench(5);
        let old = bench.create(service("web").replicas(1));
        bench.settle();
        bench.remove(old);
        let new = bench.create(service("web").replicas(1));
        assert_eq!(bench.state.service_named(&"web".parse().unwrap()).unwrap().id, new);
        bench.settle();
        assert!(bench.state.service(old).is_none());
        assert_eq!(bench.state.service_named(&"web".parse().unwrap()).unwrap().id, new);
    }

    #[test]
    fn a_task_that_never_had_a_node_is_forgotten_as_soon_as_it_is_stopped() {
        let mut bench = Bench::new();
        let web = bench.create(service("web").replicas(1));
        bench.settle();
        bench.scale(web, 0);
        bench.pass();
        assert_eq!(bench.states(web), []);
    }
}
