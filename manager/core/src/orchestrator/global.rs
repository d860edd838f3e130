//! Global services: one task on every node that fits.
//!
//! | The node | Its task |
//! | --- | --- |
//! | is ready, active and meets the constraints | runs, and is made if there is none |
//! | is paused | stays while it runs; none is made |
//! | is down | stays, and goes on when the node is back; one that is out of date is stopped |
//! | is drained, or active without meeting the constraints | is stopped |
//! | was removed | is forgotten |

use super::{
    new_task,
    slots::{self, SlotTasks, Slots},
    takes_tasks,
};
use crate::{
    Decision,
    decision::unchanged,
    placement,
    state::{Change, State},
    updater::canary,
};
use proto::model::{
    Availability, DesiredState, IdSource, Node, NodeId, NodeState, Service, ServiceMode, SlotKey, Task,
    Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};

/// Has a task on each node that fits, and none on the others.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    let is_global = |service: &&_| is_global(service);
    for service in state.services().map(AsRef::as_ref).filter(is_global) {
        let slots = Slots::of(state, service.id);
        let mut seen = BTreeSet::new();
        for slot in slots.iter() {
            let SlotKey::Node(id) = slot.key else { continue };
            tidy(service, &slot, state.node(id).map(AsRef::as_ref), &mut decision);
            seen.insert(id);
        }
        forget(state, service, &seen, &mut decision);
        let by_node: BTreeMap<NodeId, SlotTasks<'_>> =
            slots.iter().filter_map(|slot| Some((on_node(slot.key)?, slot))).collect();
        for node in state.nodes().filter(|node| accepts(node, service)) {
            let slot = by_node.get(&node.id);
            let key = SlotKey::Node(node.id);
            let filled =
                slot.is_some_and(|slot| slot.live().next().is_some()) || slots::is_given_up(service, key);
            if !filled {
                let waits = slot.is_some_and(|slot| slot.tasks.iter().any(|task| slots::holds_node(task)));
                let desired = if waits { DesiredState::Ready } else { DesiredState::Running };
                let task = new_task(service, key, desired, now, ids);
                decision.propose(unchanged(service), [Change::CreateTask(task)]);
            }
        }
    }
    decision
}

/// Whether a new task of the global service may be made for the node.
pub(crate) fn accepts(node: &Node, service: &Service) -> bool {
    takes_tasks(node) && placement::first_unmet(node, &service.spec.task.constraints).is_none()
}

fn is_global(service: &Service) -> bool {
    !service.removing && service.spec.mode == ServiceMode::Global
}

fn on_node(key: SlotKey) -> Option<NodeId> {
    match key {
        SlotKey::Node(node) => Some(node),
        SlotKey::Replica(_) => None,
    }
}

/// What becomes of the tasks on a node.
enum Stay {
    /// They stay.
    All,
    /// Those stay that have not ended and are up to date.
    Current,
    /// Those stay that have not ended.
    Unended,
    /// They are stopped.
    None,
    /// They are stopped and forgotten.
    Forgotten,
}

fn stay(service: &Service, node: Option<&Node>) -> Stay {
    let Some(node) = node else { return Stay::Forgotten };
    match (node.spec.availability, node.status.state) {
        (Availability::Drain, _) => Stay::None,
        // A rolling update can't wait for the node, and its task would be out of date when it is back.
        (_, NodeState::Down) => Stay::Current,
        (Availability::Pause, _) | (_, NodeState::Unknown) => Stay::Unended,
        (Availability::Active, NodeState::Ready) if accepts(node, service) => Stay::All,
        (Availability::Active, NodeState::Ready) => Stay::None,
    }
}

fn tidy(service: &Service, slot: &SlotTasks<'_>, node: Option<&Node>, decision: &mut Decision) {
    let stay = stay(service, node);
    let desired = if matches!(stay, Stay::Forgotten) { DesiredState::Remove } else { DesiredState::Shutdown };
    let ended = |task: &Task| task.status.state.is_terminal();
    let (_, wanted) = canary::wanted(service, slot.key);
    let leaves = |task: &&&Task| match stay {
        Stay::All => false,
        Stay::Current => ended(task) || task.task_version != wanted,
        Stay::Unended => ended(task),
        Stay::None | Stay::Forgotten => true,
    };
    let leaving = slot.tasks.iter().filter(|task| task.desired < desired).filter(leaves);
    let mut changes: Vec<Change> =
        leaving.map(|task| Change::SetDesired { task: task.id, desired }).collect();
    // A node that comes back gets a new task, whatever became of the last one.
    if matches!(stay, Stay::None | Stay::Forgotten) && service.restarts.contains_key(&slot.key) {
        changes.push(Change::SetRestarts { service: service.id, slot: slot.key, history: None });
    }
    decision.propose(unchanged(service), changes);
}

/// Forgets the restarts on nodes that were removed and whose tasks are all forgotten.
fn forget(state: &State, service: &Service, seen: &BTreeSet<NodeId>, decision: &mut Decision) {
    let is_stale =
        |key: &&SlotKey| on_node(**key).is_some_and(|id| state.node(id).is_none() && !seen.contains(&id));
    for &slot in service.restarts.keys().filter(is_stale) {
        decision
            .propose(unchanged(service), [Change::SetRestarts { service: service.id, slot, history: None }]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, ServiceBuilder, node, service};
    use proto::model::{ServiceId, TaskState};
    use std::time::Duration;

    /// Two nodes, the first one with a label.
    fn bench(service: ServiceBuilder) -> (Bench, ServiceId, [NodeId; 2]) {
        let mut bench = Bench::new();
        let nodes = [bench.add(node(1).label("disk", "ssd")), bench.add(node(2))];
        let service = bench.create(service.global());
        bench.settle();
        (bench, service, nodes)
    }

    /// The nodes on which the service has a live task that runs.
    fn running_on(bench: &Bench, service: ServiceId) -> Vec<NodeId> {
        let live = bench.live(service);
        live.iter()
            .filter(|task| task.status.state == TaskState::Running)
            .filter_map(|task| task.node)
            .collect()
    }

    #[test]
    fn every_node_has_one_task_and_so_has_one_that_joins() {
        let (mut bench, agent, [a, b]) = bench(service("agent"));
        assert_eq!(running_on(&bench, agent), [a, b]);
        let c = bench.add(node(3));
        bench.settle();
        assert_eq!(running_on(&bench, agent), [a, b, c]);
    }

    #[test]
    fn nodes_that_do_not_meet_the_constraints_have_none() {
        let (mut bench, agent, [a, b]) = bench(service("agent").constraint("node.labels.disk==ssd"));
        assert_eq!(running_on(&bench, agent), [a]);
        bench.edit_node(a, |node| node.spec.labels.clear());
        bench.edit_node(b, |node| drop(node.spec.labels.insert("disk".into(), "ssd".into())));
        bench.settle();
        assert_eq!(running_on(&bench, agent), [b]);
    }

    #[test]
    fn a_drained_node_gets_its_task_back_when_it_is_active_again() {
        let (mut bench, agent, [a, b]) = bench(service("agent"));
        bench.drain(a);
        bench.settle();
        assert_eq!(running_on(&bench, agent), [b]);
        bench.edit_node(a, |node| node.spec.availability = Availability::Active);
        bench.settle();
        assert_eq!(running_on(&bench, agent), [a, b]);
    }

    #[test]
    fn a_paused_node_keeps_its_task_and_gets_no_other() {
        let (mut bench, agent, [a, b]) = bench(service("agent"));
        bench.edit_node(a, |node| node.spec.availability = Availability::Pause);
        bench.settle();
        assert_eq!(running_on(&bench, agent), [a, b]);
        bench.fail_one(agent);
        bench.settle();
        assert_eq!(running_on(&bench, agent), [b]);
    }

    #[test]
    fn a_node_that_was_away_goes_on_with_its_task() {
        let (mut bench, agent, [a, _]) = bench(service("agent"));
        let before = bench.live(agent)[0].id;
        bench.offline.insert(a);
        bench.run_for(Duration::from_secs(60));
        assert_eq!(bench.state.node(a).unwrap().status.state, NodeState::Down);
        bench.offline.remove(&a);
        bench.settle();
        assert_eq!(bench.live(agent)[0].id, before);
    }

    #[test]
    fn a_node_that_was_away_during_an_update_gets_the_new_task() {
        let (mut bench, agent, [a, b]) = bench(service("agent"));
        bench.offline.insert(a);
        bench.run_for(Duration::from_secs(60));
        bench.update_image(agent, "app:2");
        bench.settle();
        bench.offline.remove(&a);
        bench.settle();
        assert_eq!(running_on(&bench, agent), [a, b]);
        assert!(bench.live(agent).iter().all(|task| task.spec.task.container.image == "app:2"));
    }

    #[test]
    fn nothing_is_left_of_a_node_that_was_removed() {
        let (mut bench, agent, [a, b]) = bench(service("agent"));
        bench.remove_node(a);
        bench.settle();
        assert_eq!(bench.tasks(agent).iter().map(|task| task.slot).collect::<Vec<_>>(), [SlotKey::Node(b)]);
    }
}
