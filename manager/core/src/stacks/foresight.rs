//! What will come of a state if every task does as it is told: which tasks are started and replaced, in which order, and
//! where they go. A plan shows it before anything is done.
//!
//! The loops themselves are asked, on a copy, again and again, with agents that obey at once and a clock that goes
//! forward when nothing else does.

use crate::{
    liveness::{Contact, Liveness},
    reconcile,
    state::{Change, State, Transaction},
};
use proto::model::{
    DesiredState, IdSource, Name, NodeId, NodeState, ServiceId, SlotKey, Stack, StackCondition, Task, TaskId,
    TaskState, TaskStatus, Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The most tasks that are foreseen.
pub const TASKS_MAX: usize = 500;
/// How often the loops are asked at most; each answer brings some tasks a step further.
const STEPS_MAX: usize = 5_000;
/// The longest wait that is sat out at once, such as that between two tasks of an update.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// A task that would be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// Its service.
    pub service: ServiceId,
    /// Its place there.
    pub slot: SlotKey,
    /// The task that it takes the place of.
    pub replaces: Option<TaskId>,
    /// Where it would go.
    pub node: Option<NodeId>,
    /// Why it would go nowhere.
    pub message: String,
}

/// Foresees the first new task in each place of these services, in the order in which they are made.
pub fn foresee(
    state: &State,
    services: &BTreeSet<ServiceId>,
    now: Timestamp,
    liveness: &Liveness,
    ids: &mut dyn IdSource,
) -> Vec<Foreseen> {
    let jobs: BTreeSet<&Name> = completed_for_others(state).collect();
    let mut scratch = state.clone();
    let mut now = now;
    let mut made: Vec<(Foreseen, TaskId)> = Vec::new();
    for _ in 0..STEPS_MAX {
        let decision = reconcile::pass(&scratch, now, ids, &heard(state, liveness, now));
        let nothing_decided = decision.transactions.is_empty();
        for transaction in &decision.transactions {
            let before = scratch.clone();
            if scratch.apply(transaction).is_err() {
                return finished(made, &scratch);
            }
            for change in &transaction.changes {
                note(change, state, &before, services, &mut made);
            }
        }
        if made.len() >= TASKS_MAX {
            break;
        }
        let reports = reports(&scratch, &jobs, now);
        let nothing_reported = reports.changes.is_empty();
        if scratch.apply(&reports).is_err() {
            break;
        }
        if nothing_decided && nothing_reported {
            match decision
                .wake_at
                .filter(|at| *at > now && at.since(now) <= PATIENCE && is_rolling(&scratch, services))
            {
                Some(at) => now = at,
                None => break,
            }
        }
    }
    finished(made, &scratch)
}

/// Services that others wait for until they have done their work: their tasks end.
fn completed_for_others(state: &State) -> impl Iterator<Item = &Name> {
    let waits = |stack: &Stack, name: &Name| {
        state.service_named(name).is_some_and(|service| stack.waiting.contains(&service.id))
    };
    let waiting = state.stacks().flat_map(move |stack| {
        stack.spec.services.iter().filter(move |service| waits(stack, &service.spec.name))
    });
    let dependencies = waiting.flat_map(|service| &service.depends_on);
    dependencies.filter(|one| one.condition == StackCondition::Completed).map(|one| &one.service)
}

/// The leader goes on hearing from the nodes that it hears from now.
fn heard(state: &State, liveness: &Liveness, now: Timestamp) -> Liveness {
    let mut liveness = liveness.clone();
    for node in state.nodes().filter(|node| node.status.state == NodeState::Ready) {
        liveness.contacts.insert(node.id, Contact { last_heard: Some(now), connected: true, goodbye: false });
    }
    liveness
}

fn is_rolling(state: &State, services: &BTreeSet<ServiceId>) -> bool {
    let mut there = services.iter().filter_map(|&id| state.service(id));
    there.any(|service| service.rollout.as_ref().is_some_and(|rollout| rollout.state.in_progress()))
}

fn note(
    change: &Change,
    first: &State,
    before: &State,
    services: &BTreeSet<ServiceId>,
    made: &mut Vec<(Foreseen, TaskId)>,
) {
    let Change::CreateTask(new) = change else { return };
    let is_known = |(one, _): &(Foreseen, TaskId)| (one.service, one.slot) == (new.service, new.slot);
    if !services.contains(&new.service) || made.iter().any(is_known) {
        return;
    }
    let present = |state: &State| {
        let in_slot = state.tasks_of(new.service).filter(|task| task.slot == new.slot);
        in_slot.filter(|task| !task.status.state.is_terminal()).map(|task| task.id).last()
    };
    // By now the old one may have been told to stop.
    let replaces = present(before).or_else(|| present(first));
    made.push((
        Foreseen { service: new.service, slot: new.slot, replaces, node: None, message: String::new() },
        new.id,
    ));
}

/// Fills in where the tasks went.
fn finished(made: Vec<(Foreseen, TaskId)>, state: &State) -> Vec<Foreseen> {
    let tasks: BTreeMap<TaskId, &Task> = state.tasks().map(|task| (task.id, task.as_ref())).collect();
    let filled = |(mut foreseen, id): (Foreseen, TaskId)| {
        if let Some(task) = tasks.get(&id) {
            let is_placed = task.status.state >= TaskState::Assigned;
            foreseen.node = task.node.filter(|_| is_placed);
            if !is_placed {
                foreseen.message.clone_from(&task.status.message);
            }
        }
        foreseen
    };
    made.into_iter().map(filled).collect()
}

/// What agents would say that do everything at once.
fn reports(state: &State, jobs: &BTreeSet<&Name>, now: Timestamp) -> Transaction {
    let ready = state.nodes().filter(|node| node.status.state == NodeState::Ready);
    let tasks = ready.flat_map(|node| state.tasks_on(node.id));
    let report = |task: &std::sync::Arc<Task>| {
        let observed = task.status.state;
        if observed < TaskState::Assigned || observed.is_terminal() {
            return None;
        }
        let next = match task.desired {
            DesiredState::Shutdown | DesiredState::Remove => TaskState::Shutdown,
            DesiredState::Ready => TaskState::Ready,
            DesiredState::Running if observed == TaskState::Running && jobs.contains(&task.spec.name) => {
                TaskState::Complete
            }
            DesiredState::Running => TaskState::Running,
        };
        let status = TaskStatus {
            state: next,
            connections_version: task.status.connections_version,
            ..TaskStatus::new(now)
        };
        (next > observed).then_some(Change::ReportStatus { task: task.id, status })
    };
    Transaction::of(tasks.filter_map(report).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node, service, stack};
    use proto::model::RolloutOrder;

    struct Ids(u128);

    impl IdSource for Ids {
        fn next_bits(&mut self) -> u128 {
            self.0 += 1;
            self.0
        }
    }

    fn foreseen(bench: &Bench) -> Vec<String> {
        let services = bench.state.services().map(|service| service.id).collect();
        let all = foresee(&bench.state, &services, bench.now, &bench.liveness, &mut Ids(1 << 100));
        let shown = |one: Foreseen| {
            let name = &bench.state.service(one.service).unwrap().spec.name;
            let verb = if one.replaces.is_some() { "replace" } else { "start" };
            let at = one.node.map_or("nowhere".to_owned(), |node| format!("on {}", node.bits()));
            format!("{verb} {name}.{} {at}{}", one.slot, if one.message.is_empty() { "" } else { "!" })
        };
        all.into_iter().map(shown).collect()
    }

    #[test]
    fn a_plan_is_what_then_happens() {
        let mut bench = Bench::new();
        bench.add(node(1));
        bench.add(node(2).label("disk", "ssd"));
        let shop = |image: &str| {
            let web =
                service("shop_web").image(image).replicas(3).parallelism(1).order(RolloutOrder::StopFirst);
            stack("shop")
                .service(web)
                .after("shop_db", StackCondition::Completed)
                .service(service("shop_db").constraint("node.labels.disk==ssd"))
                .service(service("shop_stuck").constraint("node.labels.disk==none"))
        };
        bench.deploy(shop("app:1"), false).unwrap();
        let plan = foreseen(&bench);
        assert_eq!(plan.len(), 5, "{plan:?}");
        assert!(plan.contains(&"start shop_stuck.1 nowhere!".to_owned()), "{plan:?}");
        assert!(plan.contains(&"start shop_db.1 on 2".to_owned()), "{plan:?}");
        bench.settle();
        let db = bench.state.service_named(&"shop_db".parse().unwrap()).unwrap().id;
        let done = bench.live(db)[0].clone();
        bench.report(&done, TaskState::Complete);
        bench.settle();

        bench.deploy(shop("app:2"), false).unwrap();
        let plan = foreseen(&bench);
        let order: Vec<_> = plan.iter().map(|line| line.rsplit_once(" on ").unwrap().0).collect();
        assert_eq!(order, ["replace shop_web.1", "replace shop_web.2", "replace shop_web.3"], "{plan:?}");
        let web = bench.state.service_named(&"shop_web".parse().unwrap()).unwrap().id;
        let nodes = |bench: &Bench| -> Vec<String> {
            let task = |task: &std::sync::Arc<Task>| {
                format!("replace shop_web.{} on {}", task.slot, task.node.unwrap().bits())
            };
            bench.live(web).iter().map(task).collect()
        };
        bench.settle();
        assert_eq!(nodes(&bench), plan);
        assert!(foreseen(&bench).is_empty(), "nothing more is to come");
    }
}
