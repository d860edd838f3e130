//! Restart: what follows when a task has ended, or its node is lost.
//!
//! A task that ended is replaced as its service's restart policy says, after a delay that grows with
//! each failure in a row (`policy`). The history this rests on, and the decision that a slot gets no
//! further task, are kept in the service, so that a new leader goes on where the last one was.
//! A task whose node is gone or down is replaced at once, and that is not counted: it is not the
//! task's fault.

mod policy;

pub use policy::{RAN_WELL, delay_after};
pub(super) use policy::{Verdict, judge};

use super::{
    global, is_lost, must_leave, replace,
    slots::{SlotTasks, Slots, age},
};
use crate::{
    Decision,
    decision::unchanged,
    state::{Change, NewTask, State},
    updater::canary,
};
use proto::model::{
    DesiredState, GivenUp, IdSource, RestartHistory, RolloutOrder, RolloutState, Service, SlotKey, Task,
    TaskState, Timestamp,
};

/// Replaces the tasks that ended or were lost.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    let is_running = |service: &&std::sync::Arc<Service>| !service.removing && !service.spec.mode.is_job();
    for service in state.services().filter(is_running) {
        for slot in Slots::of(state, service.id).iter() {
            // What has to leave a node that takes no tasks is not replaced there.
            let in_place = match slot.key {
                SlotKey::Replica(_) => true,
                SlotKey::Node(node) => state.node(node).is_some_and(|node| global::accepts(node, service)),
            };
            if !in_place {
                continue;
            }
            match held_until(state, &slot, now) {
                Some(at) => decision.wake(at),
                None => decision.propose(unchanged(service), settle(state, service, &slot, now, ids)),
            }
        }
    }
    decision
}

/// What happened to a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Ended,
    Lost,
}

fn fate(state: &State, task: &Task) -> Fate {
    match task.status.state {
        TaskState::Orphaned => Fate::Lost,
        ended if ended.is_terminal() => Fate::Ended,
        _ if is_lost(state, task) => Fate::Lost,
        _ => Fate::Fine,
    }
}

/// Until when nothing is done about a task that could not even be prepared: it ended before it was to
/// be started, and one made in its place now would end as soon.
fn held_until(state: &State, slot: &SlotTasks<'_>, now: Timestamp) -> Option<Timestamp> {
    let ended = slot.live().filter(|task| fate(state, task) == Fate::Ended);
    ended.filter_map(|task| task.start_after).filter(|&at| at > now).max()
}

fn settle(
    state: &State,
    service: &Service,
    slot: &SlotTasks<'_>,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> Vec<Change> {
    let over = |task: &&Task| fate(state, task) != Fate::Fine;
    let stop = |task: &Task| Change::SetDesired { task: task.id, desired: DesiredState::Shutdown };
    // Of two tasks of which one replaces the other, the newer one decides.
    let newest_over = slot.live().filter(over).max_by_key(|task| age(task));
    let Some(task) = newest_over else { return Vec::new() };
    let survivors: Vec<&Task> = slot.live().filter(|task| !over(task)).collect();
    let (_, wanted) = canary::wanted(service, slot.key);
    let is_heir = |task: &Task| task.task_version == wanted && !must_leave(state, task);
    if survivors.iter().any(|task| is_heir(task)) {
        // A replacement is there already.
        return slot.live().filter(over).map(stop).collect();
    }
    // A task that is out of date or has to move keeps the slot while its successor is tried again, as
    // long as the two may run at once: the spec may have changed since the first try.
    let order = if survivors.is_empty() { RolloutOrder::StopFirst } else { order_of(service) };
    if fate(state, task) == Fate::Lost {
        let (mut changes, new) = replace(state, service, slot, order, now, ids);
        changes.push(Change::CreateTask(new));
        return changes;
    }
    let history = service.restarts.get(&slot.key).cloned().unwrap_or_default();
    match judge(&service.spec.task.restart, &history, task, now) {
        Verdict::Restart { at, history } => {
            let (mut changes, new) = replace(state, service, slot, order, now, ids);
            changes.extend(set_history(service, slot.key, history));
            // It is prepared during the delay, and started by the handover.
            let new = match at > now {
                true => NewTask { start_after: Some(at), desired: DesiredState::Ready, ..new },
                false => new,
            };
            changes.push(Change::CreateTask(new));
            changes
        }
        Verdict::GiveUp { reason } => {
            // Nor is there another successor for a task that has to move: it is stopped as well.
            let stopped = slot.live().filter(|task| over(task) || must_leave(state, task));
            let mut changes: Vec<Change> = stopped.map(stop).collect();
            if survivors.iter().all(|task| must_leave(state, task)) {
                let given_up = GivenUp { task: task.id, task_version: task.task_version, reason };
                let history = RestartHistory { given_up: Some(given_up), ..history };
                changes.extend(set_history(service, slot.key, history));
            }
            changes
        }
    }
}

/// Which task of a slot acts first, as the rollout in progress or else the update policy has it.
fn order_of(service: &Service) -> RolloutOrder {
    match service.rollout.as_ref().map(|rollout| rollout.state) {
        Some(RolloutState::RollingBack | RolloutState::RollbackPaused) => service.spec.rollback.order,
        _ => service.spec.update.order,
    }
}

/// Records a slot's history, if it is not what is known already. An empty one need not be kept.
fn set_history(service: &Service, slot: SlotKey, history: RestartHistory) -> Option<Change> {
    let history = Some(history).filter(|history| *history != RestartHistory::default());
    let is_known = history.as_ref() == service.restarts.get(&slot);
    let change = Change::SetRestarts { service: service.id, slot, history };
    Some(change).filter(|_| !is_known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BROKEN_IMAGE, Bench, MISSING_IMAGE, ServiceBuilder, node, service};
    use proto::model::{FailureAction, RestartCondition, RestartPolicy, RolloutConfig, ServiceId};
    use std::time::Duration;

    fn bench(service: ServiceBuilder) -> (Bench, ServiceId) {
        let mut bench = Bench::new();
        bench.add(node(1));
        bench.add(node(2));
        let web = bench.create(service);
        bench.settle();
        (bench, web)
    }

    fn history(bench: &Bench, service: ServiceId) -> RestartHistory {
        bench.service(service).restarts.get(&SlotKey::Replica(1)).cloned().unwrap_or_default()
    }

    #[test]
    fn a_task_that_failed_is_replaced_in_its_slot_after_the_delay() {
        let (mut bench, web) = bench(service("web"));
        bench.fail_one(web);
        bench.pass();
        let new = bench.live(web)[0].clone();
        assert_eq!((new.slot, new.desired), (SlotKey::Replica(1), DesiredState::Ready));
        assert_eq!(new.start_after, Some(bench.now + Duration::from_secs(5)));
        assert_eq!(bench.settle(), Duration::from_secs(5));
        assert_eq!(bench.live(web)[0].status.state, TaskState::Running);
        assert_eq!(bench.live(web)[0].id, new.id);
    }

    #[test]
    fn a_crash_loop_slows_down() {
        let (mut bench, web) = bench(service("web").replicas(0).image(BROKEN_IMAGE));
        bench.scale(web, 1);
        bench.run_for(Duration::from_secs(600));
        // After 0, 5, 15, 35, 75, 155 and 315 s; the next one would be after 615 s.
        assert_eq!(history(&bench, web).streak, 7);
    }

    #[test]
    fn a_task_that_can_not_be_prepared_is_not_tried_again_before_its_time() {
        let (mut bench, web) = bench(service("web").replicas(0).image(MISSING_IMAGE));
        bench.scale(web, 1);
        bench.run_for(Duration::from_secs(600));
        assert_eq!(history(&bench, web).streak, 7);
    }

    #[test]
    fn a_slot_that_is_given_up_stays_empty_and_says_why() {
        let policy = |policy: &mut RestartPolicy| policy.condition = RestartCondition::OnFailure;
        let (mut bench, web) = bench(service("web").restart(policy));
        let task = bench.live(web)[0].clone();
        bench.report(&task, TaskState::Complete);
        bench.settle();
        assert_eq!((bench.tasks(web).len(), bench.live(web).len()), (1, 0));
        let given_up = history(&bench, web).given_up.unwrap();
        assert_eq!(
            (given_up.task, given_up.reason.as_str()),
            (task.id, "it completed, and the restart condition is on-failure")
        );
    }

    #[test]
    fn the_number_of_attempts_is_bounded() {
        let (mut bench, web) = bench(service("web").restart(|policy| policy.max_attempts = 2));
        for _ in 0..3 {
            bench.fail_one(web);
            bench.settle();
        }
        assert_eq!((bench.tasks(web).len(), bench.live(web).len()), (3, 0));
    }

    #[test]
    fn an_update_gives_a_slot_another_chance() {
        let (mut bench, web) =
            bench(service("web").restart(|policy| policy.condition = RestartCondition::None));
        bench.fail_one(web);
        bench.settle();
        bench.update_image(web, "app:2");
        bench.settle();
        assert_eq!(bench.live(web)[0].status.state, TaskState::Running);
        assert_eq!(history(&bench, web), RestartHistory::default());
    }

    #[test]
    fn the_tasks_of_a_lost_node_are_replaced_at_once_and_not_counted() {
        let (mut bench, web) = bench(service("web"));
        let lost = bench.live(web)[0].node.unwrap();
        bench.offline.insert(lost);
        let took = bench.settle();
        assert_eq!(took, Duration::from_secs(3));
        let new = bench.live(web)[0].clone();
        assert_eq!((new.status.state, new.node != Some(lost)), (TaskState::Running, true));
        assert_eq!(history(&bench, web), RestartHistory::default());
    }

    #[test]
    fn the_task_before_stays_if_its_successor_is_lost_with_its_node() {
        let (mut bench, web) = bench(service("web").order(RolloutOrder::StartFirst));
        let old = bench.live(web)[0].clone();
        bench.update_image(web, "app:2");
        bench.pass();
        bench.agents_obey();
        let successor = bench.live(web).into_iter().find(|task| task.id != old.id).unwrap();
        assert_eq!(successor.status.state, TaskState::Running);
        bench.offline.insert(successor.node.unwrap());
        bench.now = bench.now + Duration::from_secs(3);
        bench.pass();
        assert_eq!(bench.state.task(old.id).unwrap().desired, DesiredState::Running);
        assert_eq!(bench.state.task(successor.id).unwrap().desired, DesiredState::Shutdown);
        assert_eq!(bench.live(web).len(), 2);
    }

    #[test]
    fn a_node_that_comes_back_stops_what_was_replaced() {
        let (mut bench, web) = bench(service("web"));
        let lost = bench.live(web)[0].node.unwrap();
        bench.offline.insert(lost);
        bench.settle();
        bench.offline.remove(&lost);
        bench.settle();
        let mut states = bench.states(web);
        states.sort();
        assert_eq!(states, [TaskState::Running, TaskState::Shutdown]);
    }

    #[test]
    fn two_tasks_do_not_share_a_slot_any_more_once_the_old_one_is_to_stop_first() {
        let both_at_once = |config: &mut RolloutConfig| {
            (config.parallelism, config.failure_action) = (0, FailureAction::Continue);
        };
        let (mut bench, web) = bench(
            service("web")
                .replicas(2)
                .order(RolloutOrder::StartFirst)
                .update(both_at_once)
                .restart(|policy| policy.delay = Duration::ZERO),
        );
        bench.update_image(web, BROKEN_IMAGE);
        bench.run_for(Duration::from_secs(1));
        bench.update(web, |spec| {
            spec.task.container.image = "app:2".into();
            (spec.update.parallelism, spec.update.order) = (1, RolloutOrder::StopFirst);
            spec.update.delay = Duration::from_secs(30);
        });
        for _ in 0..90 {
            bench.pass();
            bench.agents_obey();
            let live = bench.live(web);
            let running = live.iter().filter(|task| task.status.state == TaskState::Running);
            assert!(running.count() <= 2, "{live:?}");
            bench.now = bench.now + Duration::from_millis(500);
        }
        assert!(bench.live(web).iter().all(|task| task.spec.task.container.image == "app:2"));
    }

    #[test]
    fn the_delay_survives_a_change_of_leader() {
        let (mut bench, web) = bench(service("web"));
        bench.fail_one(web);
        bench.pass();
        bench.liveness = crate::liveness::Liveness { leader_since: bench.now, ..Default::default() };
        bench.now = Timestamp(bench.now.0 + 4_999);
        bench.pass();
        assert_eq!(bench.live(web)[0].desired, DesiredState::Ready);
        bench.now = Timestamp(bench.now.0 + 1);
        bench.pass();
        assert_eq!(bench.live(web)[0].desired, DesiredState::Running);
    }
}
