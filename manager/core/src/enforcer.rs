//! Enforcer: moves tasks of replicated services off nodes where they may not stay.
//!
//! A task has to leave a node that is drained, or that is active and has stopped to meet the task's
//! constraints. A paused node keeps what it has. Moves follow the service's update policy, so that a
//! service is not taken down as a whole: at most `parallelism` tasks are on the move (zero is no bound),
//! the next one goes when the replacement of one runs, and `order` says whether the replacement starts
//! first. With stop-first a replacement that fails lets the next one go as well, as there is nothing
//! to go back to. The update's delay and monitor do not apply: a move brings no new spec that would
//! have to prove itself. Tasks that do not run yet lose nothing and move at once.
//!
//! A drained node empties out whatever happens, because somebody waits for that: a task for which
//! there is no room elsewhere is stopped and holds no other one up. Where only a constraint is not met
//! any more nobody waits, so the next tasks stay until that one has found a place.

use crate::{
    Decision,
    decision::unchanged,
    orchestrator::{
        must_leave, replace,
        slots::{SlotTasks, Slots},
    },
    state::{Change, State},
};
use proto::model::{Availability, IdSource, ServiceMode, Task, TaskState, Timestamp};

/// Replaces tasks that have to leave their nodes.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    let is_replicated = |mode| matches!(mode, ServiceMode::Replicated { .. });
    for service in state.services().filter(|service| !service.removing && is_replicated(service.spec.mode)) {
        let slots = Slots::of(state, service.id);
        let config = &service.spec.update;
        let on_the_move = slots.iter().filter(|slot| is_moving(state, slot)).count();
        let mut room = match config.parallelism {
            0 => usize::MAX,
            parallelism => (parallelism as usize).saturating_sub(on_the_move),
        };
        for slot in slots.iter().filter(|slot| has_to_move(state, slot)) {
            let runs = slot.live().any(|task| task.status.state == TaskState::Running);
            if runs && room == 0 {
                continue;
            }
            let (mut changes, task) = replace(state, service, &slot, config.order, now, ids);
            changes.push(Change::CreateTask(task));
            decision.propose(unchanged(service), changes);
            room = room.saturating_sub(runs.into());
        }
    }
    decision
}

/// Whether every task of the slot that has not ended has to leave its node.
fn has_to_move(state: &State, slot: &SlotTasks<'_>) -> bool {
    let mut unended = slot.live().filter(|task| !task.status.state.is_terminal()).peekable();
    unended.peek().is_some() && unended.all(|task| must_leave(state, task))
}

/// Whether a task of the slot is not running yet that replaces one which had to leave.
fn is_moving(state: &State, slot: &SlotTasks<'_>) -> bool {
    let mut left = slot.live().chain(slot.newest_stopped()).filter(|task| must_leave(state, task)).peekable();
    let Some(first) = left.peek() else { return false };
    let is_waited_for = is_drained(state, first);
    slot.live().any(|task| {
        let has_no_place = task.status.state < TaskState::Assigned && is_waited_for;
        task.status.state < TaskState::Running && !must_leave(state, task) && !has_no_place
    })
}

fn is_drained(state: &State, task: &Task) -> bool {
    let node = task.node.and_then(|node| state.node(node));
    node.is_some_and(|node| node.spec.availability == Availability::Drain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::slots::is_live;
    use crate::testing::{Bench, node, service};
    use proto::model::{NodeId, RolloutOrder, ServiceId};

    /// Four tasks that run on the first of two nodes.
    fn four_on_one_node(order: RolloutOrder, parallelism: u32) -> (Bench, ServiceId, NodeId) {
        let mut bench = Bench::new();
        let first = bench.add(node(1));
        let web = bench.create(service("web").replicas(4).order(order).parallelism(parallelism));
        bench.settle();
        bench.add(node(2));
        (bench, web, first)
    }

    fn running_on(bench: &Bench, node: NodeId) -> usize {
        bench
            .state
            .tasks_on(node)
            .filter(|task| is_live(task) && task.status.state == TaskState::Running)
            .count()
    }

    #[test]
    fn a_drain_moves_as_many_tasks_at_a_time_as_an_update_would() {
        let (mut bench, _, first) = four_on_one_node(RolloutOrder::StopFirst, 2);
        bench.drain(first);
        bench.pass();
        assert_eq!(running_on(&bench, first), 2);
        bench.pass();
        assert_eq!(running_on(&bench, first), 2);
        bench.settle();
        assert_eq!(running_on(&bench, first), 0);
    }

    #[test]
    fn with_start_first_a_task_leaves_when_its_replacement_runs() {
        let (mut bench, web, first) = four_on_one_node(RolloutOrder::StartFirst, 0);
        bench.drain(first);
        bench.pass();
        assert_eq!(running_on(&bench, first), 4);
        assert_eq!(bench.live(web).len(), 8);
        bench.settle();
        assert_eq!((running_on(&bench, first), bench.live(web).len()), (0, 4));
    }

    #[test]
    fn a_drained_node_empties_out_though_there_is_no_room_elsewhere() {
        let mut bench = Bench::new();
        let first = bench.add(node(1));
        let web = bench.create(service("web").replicas(3));
        bench.settle();
        bench.drain(first);
        bench.settle();
        assert_eq!((running_on(&bench, first), bench.live(web).len()), (0, 3));
    }

    #[test]
    fn where_a_constraint_is_not_met_what_finds_no_place_holds_the_others_back() {
        let mut bench = Bench::new();
        let first = bench.add(node(1).label("disk", "ssd"));
        let web = bench.create(service("web").replicas(3).constraint("node.labels.disk==ssd"));
        bench.settle();
        bench.edit_node(first, |node| node.spec.labels.clear());
        bench.settle();
        assert_eq!((running_on(&bench, first), bench.live(web).len()), (2, 3));
    }

    #[test]
    fn a_task_leaves_a_node_that_stops_to_meet_its_constraints() {
        let mut bench = Bench::new();
        let first = bench.add(node(1).label("disk", "ssd"));
        let second = bench.add(node(2).label("disk", "ssd"));
        bench.create(service("web").replicas(2).constraint("node.labels.disk==ssd"));
        bench.settle();
        bench.edit_node(first, |node| node.spec.labels.clear());
        bench.settle();
        assert_eq!((running_on(&bench, first), running_on(&bench, second)), (0, 2));
    }

    #[test]
    fn a_paused_node_keeps_what_it_has() {
        let mut bench = Bench::new();
        let first = bench.add(node(1).label("disk", "ssd"));
        bench.create(service("web").replicas(2).constraint("node.labels.disk==ssd"));
        bench.settle();
        bench.edit_node(first, |node| {
            node.spec.labels.clear();
            node.spec.availability = Availability::Pause;
        });
        bench.settle();
        assert_eq!(running_on(&bench, first), 2);
    }
}
