//! Replicated services: a given number of tasks, in slots numbered from 1.
//!
//! Empty slots are filled from the lowest number. A service that shrinks gives up, in this order: slots
//! whose task does not run, slots on the nodes with most tasks of the service, the highest numbers.

use super::{
    new_task, runs,
    slots::{self, SlotTasks, Slots},
};
use crate::{
    Decision,
    decision::unchanged,
    state::{Change, State},
};
use proto::model::{DesiredState, IdSource, NodeId, Service, ServiceMode, Slot, SlotKey, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Makes the number of filled slots of each replicated service what its spec says.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    for service in state.services().filter(|service| !service.removing) {
        let ServiceMode::Replicated { replicas } = service.spec.mode else { continue };
        let slots = Slots::of(state, service.id);
        let all: BTreeMap<Slot, SlotTasks<'_>> =
            slots.iter().filter_map(|slot| Some((number(slot.key)?, slot))).collect();
        let mut filled: BTreeSet<Slot> =
            all.iter().filter(|(_, slot)| slot.is_filled(service)).map(|(&number, _)| number).collect();
        // A slot that was given up stays filled even when its last task is forgotten.
        filled.extend(
            service
                .restarts
                .keys()
                .filter(|&&key| slots::is_given_up(service, key))
                .filter_map(|&key| number(key)),
        );
        let wanted = replicas as usize;
        if filled.len() < wanted {
            let empty = (1..).filter(|number| !filled.contains(number)).take(wanted - filled.len());
            for number in empty {
                fill(service, number, all.get(&number), now, ids, &mut decision);
            }
        } else {
            for number in surplus(state, &filled, &all, filled.len() - wanted) {
                remove(service, number, all.get(&number), &mut decision);
            }
        }
    }
    decision
}

fn number(key: SlotKey) -> Option<Slot> {
    match key {
        SlotKey::Replica(number) => Some(number),
        SlotKey::Node(_) => None,
    }
}

fn fill(
    service: &Service,
    number: Slot,
    before: Option<&SlotTasks<'_>>,
    now: Timestamp,
    ids: &mut dyn IdSource,
    decision: &mut Decision,
) {
    // A task that had the slot before the service shrank may still be on its way out.
    let waits = before.is_some_and(|slot| slot.tasks.iter().any(|task| slots::holds_node(task)));
    let desired = if waits { DesiredState::Ready } else { DesiredState::Running };
    let task = new_task(service, SlotKey::Replica(number), desired, now, ids);
    decision.propose(unchanged(service), [Change::CreateTask(task)]);
}

fn remove(service: &Service, number: Slot, slot: Option<&SlotTasks<'_>>, decision: &mut Decision) {
    let tasks =
        slot.map_or(&[][..], |slot| slot.tasks).iter().filter(|task| task.desired < DesiredState::Remove);
    let mut changes: Vec<Change> =
        tasks.map(|task| Change::SetDesired { task: task.id, desired: DesiredState::Remove }).collect();
    let key = SlotKey::Replica(number);
    if service.restarts.contains_key(&key) {
        changes.push(Change::SetRestarts { service: service.id, slot: key, history: None });
    }
    decision.propose(unchanged(service), changes);
}

/// The slots to give up, the first to go first.
fn surplus(
    state: &State,
    filled: &BTreeSet<Slot>,
    all: &BTreeMap<Slot, SlotTasks<'_>>,
    count: usize,
) -> Vec<Slot> {
    if count == 0 {
        return Vec::new();
    }
    let place = |number: &Slot| all.get(number).and_then(|slot| slot.live().find_map(|task| task.node));
    let is_running =
        |number: &&Slot| all.get(number).is_some_and(|slot| slot.live().any(|task| runs(state, task)));
    let mut on_node: BTreeMap<Option<NodeId>, usize> = BTreeMap::new();
    for number in filled {
        *on_node.entry(place(number)).or_default() += 1;
    }
    let (running, idle): (Vec<&Slot>, Vec<&Slot>) = filled.iter().partition(is_running);
    let mut chosen = Vec::with_capacity(count);
    for candidates in [idle, running] {
        take_from_fullest(candidates, &mut on_node, place, count, &mut chosen);
    }
    chosen
}

/// Takes slots from the node with most of them, the highest number first, until `count` are chosen.
fn take_from_fullest(
    candidates: Vec<&Slot>,
    on_node: &mut BTreeMap<Option<NodeId>, usize>,
    place: impl Fn(&Slot) -> Option<NodeId>,
    count: usize,
    chosen: &mut Vec<Slot>,
) {
    let mut by_node: BTreeMap<Option<NodeId>, Vec<Slot>> = BTreeMap::new();
    for &number in candidates {
        by_node.entry(place(&number)).or_default().push(number);
    }
    // Within a node the numbers ascend, so the last one is the highest.
    let rank = |node, slots: &[Slot], on_node: &BTreeMap<_, usize>| {
        slots.last().map(|&highest| (on_node.get(&node).copied().unwrap_or(0), highest, node))
    };
    let mut order: BTreeSet<_> =
        by_node.iter().filter_map(|(&node, slots)| rank(node, slots, on_node)).collect();
    while chosen.len() < count
        && let Some((held, highest, node)) = order.pop_last()
    {
        chosen.push(highest);
        on_node.insert(node, held - 1);
        let slots = by_node.entry(node).or_default();
        slots.pop();
        order.extend(rank(node, slots, on_node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node, service};
    use proto::model::{Availability, ServiceId, Task, TaskState};
    use std::sync::Arc;

    fn numbers(tasks: &[Arc<Task>]) -> Vec<Slot> {
        tasks.iter().filter_map(|task| number(task.slot)).collect()
    }

    fn bench(replicas: u32, nodes: u32) -> (Bench, ServiceId) {
        let mut bench = Bench::new();
        (1..=nodes).for_each(|n| {
            bench.add(node(n));
        });
        let web = bench.create(service("web").replicas(replicas));
        bench.settle();
        (bench, web)
    }

    #[test]
    fn slots_are_numbered_from_one() {
        let (bench, web) = bench(3, 1);
        assert_eq!(numbers(&bench.live(web)), [1, 2, 3]);
        assert_eq!(bench.states(web), [TaskState::Running; 3]);
    }

    #[test]
    fn the_lowest_empty_slot_is_filled_first() {
        let (mut bench, web) = bench(3, 1);
        let second = bench.live(web)[1].clone();
        bench.change(Change::SetDesired { task: second.id, desired: DesiredState::Remove });
        bench.scale(web, 4);
        bench.settle();
        assert_eq!(numbers(&bench.live(web)), [1, 2, 3, 4]);
    }

    #[test]
    fn a_slot_is_taken_over_when_the_task_before_has_ended() {
        let (mut bench, web) = bench(2, 1);
        bench.scale(web, 1);
        bench.pass();
        bench.scale(web, 2);
        bench.pass();
        let of_second: Vec<_> =
            bench.tasks(web).into_iter().filter(|task| number(task.slot) == Some(2)).collect();
        let mut wishes: Vec<_> = of_second.iter().map(|task| task.desired).collect();
        wishes.sort();
        assert_eq!(wishes, [DesiredState::Ready, DesiredState::Remove]);
        bench.settle();
        assert_eq!(bench.states(web), [TaskState::Running; 2]);
    }

    #[test]
    fn a_service_that_shrinks_gives_up_what_does_not_run_first() {
        let (mut bench, web) = bench(3, 1);
        let first = bench.live(web)[0].clone();
        bench.report(&first, TaskState::Failed);
        bench.scale(web, 2);
        bench.settle();
        assert_eq!(numbers(&bench.live(web)), [2, 3]);
    }

    #[test]
    fn a_service_that_shrinks_leaves_the_fullest_nodes_first() {
        let (mut bench, web) = bench(2, 2);
        // The second node takes no more, so the first one gets the next three.
        let (first, second) = (NodeId::from_bits(1), NodeId::from_bits(2));
        bench.edit_node(second, |node| node.spec.availability = Availability::Pause);
        bench.scale(web, 5);
        bench.settle();
        bench.scale(web, 2);
        bench.settle();
        let on = |node| bench.state.tasks_on(node).count();
        assert_eq!((on(first), on(second)), (1, 1));
    }

    #[test]
    fn of_equal_slots_the_highest_number_goes_first() {
        let (mut bench, web) = bench(5, 1);
        bench.scale(web, 2);
        bench.settle();
        assert_eq!(numbers(&bench.live(web)), [1, 2]);
    }

    #[test]
    fn nothing_is_left_of_the_slots_given_up() {
        let (mut bench, web) = bench(3, 1);
        bench.scale(web, 0);
        bench.settle();
        assert_eq!(bench.tasks(web).len(), 0);
    }

    #[test]
    fn a_decision_for_an_old_spec_is_refused() {
        let mut bench = Bench::new();
        let web = bench.create(service("web").replicas(2));
        let late = decide(&bench.state, bench.now, &mut Zero);
        bench.scale(web, 1);
        assert!(bench.state.apply(&late.transactions[0]).is_err());
    }

    struct Zero;
    impl IdSource for Zero {
        fn next_bits(&mut self) -> u128 {
            0
        }
    }
}
