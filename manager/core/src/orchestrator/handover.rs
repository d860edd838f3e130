//! Handover: passes a slot from one task to the next.
//!
//! A replacement that was made with the wish `ready` is started once
//!
//! - its delay is over, and
//! - every task before it in the slot has ended, or can't be waited for: its node is gone or down, or
//!   it has not ended [`OLD_TASK_WAIT`] after its grace period.
//!
//! Where the replacement starts first, the tasks before it are stopped once it runs.

use super::{
    is_lost, must_leave, runs,
    slots::{self, SlotTasks, Slots},
};
use crate::{
    Decision,
    decision::unchanged,
    state::{Change, State},
    updater::canary,
};
use proto::model::{DesiredState, Service, Task, Timestamp, container::STOP_GRACE_PERIOD};
use std::time::Duration;

/// How long a task may take to end beyond its grace period before its replacement starts anyway.
pub const OLD_TASK_WAIT: Duration = Duration::from_secs(60);

/// Starts the replacements whose time has come, and stops what they replace.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    for service in state.services().filter(|service| !service.removing) {
        for slot in Slots::of(state, service.id).iter() {
            start_ready(state, service, &slot, now, &mut decision);
            stop_replaced(state, service, &slot, &mut decision);
        }
    }
    decision
}

fn start_ready(
    state: &State,
    service: &Service,
    slot: &SlotTasks<'_>,
    now: Timestamp,
    decision: &mut Decision,
) {
    let is_held_back = |task: &&Task| task.desired == DesiredState::Ready && !task.status.state.is_terminal();
    for task in slot.live().filter(is_held_back) {
        let predecessors = slot.tasks.iter().filter(|other| other.id != task.id);
        let waits_until = predecessors.filter_map(|other| blocks_until(state, task, other)).max();
        let at = waits_until.max(task.start_after);
        match at {
            Some(at) if at > now => decision.wake(at),
            _ => {
                let start = Change::SetDesired { task: task.id, desired: DesiredState::Running };
                decision.propose(unchanged(service), [start]);
            }
        }
    }
}

/// Until when a task waits for another one of its slot to end; `None` if it does not.
fn blocks_until(state: &State, task: &Task, other: &Task) -> Option<Timestamp> {
    let is_ending = !slots::is_live(other) && slots::holds_node(other) && !is_lost(state, other);
    let grace = other.spec.task.container.stop_grace_period.unwrap_or(STOP_GRACE_PERIOD);
    is_ending.then(|| task.created_at + grace.saturating_add(OLD_TASK_WAIT))
}

fn stop_replaced(state: &State, service: &Service, slot: &SlotTasks<'_>, decision: &mut Decision) {
    let (_, wanted) = canary::wanted(service, slot.key);
    let is_current = |task: &Task| task.task_version == wanted;
    let has_taken_over = |task: &&Task| runs(state, task) && !must_leave(state, task);
    let heirs = slot.live().filter(has_taken_over);
    let Some(heir) = heirs.max_by_key(|task| (is_current(task), slots::age(task))) else { return };
    // One that runs but is out of date, as the next update came before it did, still takes the place
    // of those before it.
    let is_before = |task: &Task| !is_current(task) && slots::age(task) < slots::age(heir);
    let is_replaced = |task: &&Task| task.id != heir.id && (is_current(heir) || is_before(task));
    for task in slot.live().filter(is_replaced) {
        let stop = Change::SetDesired { task: task.id, desired: DesiredState::Shutdown };
        decision.propose(unchanged(service), [stop]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node, service};
    use proto::model::{NodeId, RolloutOrder, ServiceId};

    /// A service whose one task is being replaced; the agents have not done anything about it yet.
    fn replacing(order: RolloutOrder) -> (Bench, ServiceId, NodeId) {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let web = bench.create(service("web").order(order));
        bench.settle();
        bench.now = bench.now + Duration::from_secs(1);
        bench.update_image(web, "app:2");
        bench.pass();
        (bench, web, node)
    }

    /// What is wanted of the task with that image.
    fn wish(bench: &Bench, web: ServiceId, image: &str) -> DesiredState {
        let tasks = bench.tasks(web);
        tasks.iter().find(|task| task.spec.task.container.image == image).unwrap().desired
    }

    #[test]
    fn a_replacement_is_held_back_until_the_task_before_has_ended() {
        let (mut bench, web, _) = replacing(RolloutOrder::StopFirst);
        assert_eq!(
            (wish(&bench, web, "app:1"), wish(&bench, web, "app:2")),
            (DesiredState::Shutdown, DesiredState::Ready)
        );
        bench.agents_obey();
        bench.pass();
        assert_eq!(wish(&bench, web, "app:2"), DesiredState::Running);
    }

    #[test]
    fn a_task_that_does_not_end_is_waited_for_a_minute_beyond_its_grace_period() {
        let (mut bench, web, _) = replacing(RolloutOrder::StopFirst);
        bench.now = bench.now + Duration::from_millis(69_999);
        let decision = bench.pass();
        assert_eq!(wish(&bench, web, "app:2"), DesiredState::Ready);
        assert_eq!(decision.wake_at, Some(bench.now + Duration::from_millis(1)));
        bench.now = bench.now + Duration::from_millis(1);
        bench.pass();
        assert_eq!(wish(&bench, web, "app:2"), DesiredState::Running);
    }

    #[test]
    fn a_task_on_a_node_that_is_down_is_not_waited_for() {
        let (mut bench, web, node) = replacing(RolloutOrder::StopFirst);
        bench.offline.insert(node);
        bench.now = bench.now + Duration::from_secs(3);
        bench.pass();
        assert_eq!(wish(&bench, web, "app:2"), DesiredState::Running);
    }

    #[test]
    fn with_start_first_a_task_is_stopped_when_its_replacement_runs() {
        let (mut bench, web, _) = replacing(RolloutOrder::StartFirst);
        assert_eq!(
            (wish(&bench, web, "app:1"), wish(&bench, web, "app:2")),
            (DesiredState::Running, DesiredState::Running)
        );
        bench.agents_obey();
        bench.pass();
        assert_eq!(
            (wish(&bench, web, "app:1"), wish(&bench, web, "app:2")),
            (DesiredState::Shutdown, DesiredState::Running)
        );
    }
}
