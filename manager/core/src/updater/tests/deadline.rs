//! A slot whose task does not run in time counts as failed.

use super::{bench, images, rollout, web};
use crate::{liveness::Liveness, testing::ServiceBuilder};
use proto::model::{FailureAction, RolloutConfig, RolloutState, ServiceSpec};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(300);

fn with_deadline(action: FailureAction) -> ServiceBuilder {
    web().update(|config| {
        *config = RolloutConfig { progress_deadline: DEADLINE, failure_action: action, ..config.clone() };
    })
}

fn needs_too_much(spec: &mut ServiceSpec) {
    spec.task.reservations.memory_bytes = 16 << 30;
    spec.task.container.image = "app:2".into();
}

#[test]
fn a_task_that_finds_no_node_ends_in_the_failure_action() {
    let expected = [
        (FailureAction::Pause, RolloutState::Paused, "app:1 x3, app:2 x1"),
        (FailureAction::Rollback, RolloutState::RolledBack, "app:1 x4"),
        (FailureAction::Continue, RolloutState::Completed, "app:2 x4"),
    ];
    for (action, state, then) in expected {
        let (mut bench, id) = bench(with_deadline(action));
        bench.update(id, needs_too_much);
        bench.run_for(DEADLINE - Duration::from_millis(1));
        assert_eq!(rollout(&bench, id).state, RolloutState::Updating);
        bench.settle();
        let rollout = rollout(&bench, id);
        assert_eq!((rollout.state, images(&bench, id).as_str()), (state, then), "{}", rollout.message);
    }
}

#[test]
fn the_message_says_which_task_waited_for_what() {
    let (mut bench, id) = bench(with_deadline(FailureAction::Pause));
    bench.update(id, needs_too_much);
    bench.settle();
    let message = rollout(&bench, id).message;
    assert!(message.contains("of slot 1, which does not run after 300s: no suitable node"), "{message}");
}

#[test]
fn without_a_deadline_an_update_waits_for_ever() {
    let (mut bench, id) = bench(web().update(|config| config.progress_deadline = Duration::ZERO));
    bench.update(id, needs_too_much);
    bench.run_for(Duration::from_secs(7 * 86_400));
    assert_eq!(rollout(&bench, id).state, RolloutState::Updating);
}

#[test]
fn a_leader_that_is_new_hears_the_nodes_before_it_finds_a_task_late() {
    let (mut bench, id) = bench(with_deadline(FailureAction::Pause));
    bench.update(id, needs_too_much);
    bench.run_for(Duration::from_secs(10));
    // Nobody led for an hour; what ran up meanwhile is not reported yet.
    bench.now = bench.now + Duration::from_secs(3600);
    bench.liveness = Liveness { leader_since: bench.now, ..bench.liveness.clone() };
    bench.pass();
    assert_eq!(rollout(&bench, id).state, RolloutState::Updating);
    bench.settle();
    assert_eq!(rollout(&bench, id).state, RolloutState::Paused);
}
