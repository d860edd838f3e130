//! What counts as a failure of a rollout, and what follows.

use super::{bench, images, rollout, web};
use crate::testing::{BROKEN_IMAGE, MISSING_IMAGE};
use proto::model::{FailureAction, RestartCondition, RolloutConfig, RolloutOrder, RolloutState, TaskState};
use std::time::Duration;

#[test]
fn a_failure_pauses_the_update_and_names_the_task() {
    for image in [BROKEN_IMAGE, MISSING_IMAGE] {
        let (mut bench, id) = bench(web());
        bench.update_image(id, image);
        bench.run_for(Duration::from_secs(60));
        assert_eq!(images(&bench, id), format!("app:1 x3, {image} x1"));
        let rollout = rollout(&bench, id);
        assert_eq!(rollout.state, RolloutState::Paused);
        assert!(rollout.message.starts_with("update paused due to failure or early termination of task "));
        bench.run_for(Duration::from_secs(3600));
        assert_eq!(images(&bench, id), format!("app:1 x3, {image} x1"));
    }
}

#[test]
fn a_task_that_ends_while_it_is_watched_is_a_failure_and_later_it_is_none() {
    for (after_ms, expected) in [(4_999, RolloutState::Paused), (5_000, RolloutState::Completed)] {
        let (mut bench, id) = bench(web().replicas(1));
        bench.update_image(id, "app:2");
        bench.run_for(Duration::from_millis(after_ms));
        bench.fail_one(id);
        bench.settle();
        assert_eq!(rollout(&bench, id).state, expected);
    }
}

#[test]
fn a_task_that_completes_is_a_failure_only_if_it_was_to_go_on() {
    let conditions = [
        (RestartCondition::Any, RolloutState::Paused),
        (RestartCondition::OnFailure, RolloutState::Completed),
    ];
    for (condition, expected) in conditions {
        let (mut bench, id) = bench(web().replicas(1).restart(|policy| policy.condition = condition));
        bench.update_image(id, "app:2");
        bench.run_for(Duration::from_secs(1));
        let task = bench.live(id)[0].clone();
        bench.report(&task, TaskState::Complete);
        bench.settle();
        assert_eq!(rollout(&bench, id).state, expected);
    }
}

#[test]
fn failures_up_to_the_ratio_are_tolerated() {
    let (mut bench, id) = bench(web().update(|config| config.max_failure_ratio = 0.25));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(1));
    bench.fail_one(id);
    bench.settle();
    let rollout = rollout(&bench, id);
    let expected = (RolloutState::Completed, "update completed, 1 of 4 slots failed");
    assert_eq!((rollout.state, rollout.message.as_str()), expected);
    assert_eq!(images(&bench, id), "app:2 x4");
}

#[test]
fn with_continue_every_slot_is_updated_whatever_becomes_of_it() {
    let (mut bench, id) = bench(web().update(|config| config.failure_action = FailureAction::Continue));
    bench.update_image(id, BROKEN_IMAGE);
    bench.run_for(Duration::from_secs(60));
    assert_eq!(images(&bench, id), format!("{BROKEN_IMAGE} x4"));
    assert_eq!(rollout(&bench, id).message, "update completed, 4 of 4 slots failed");
}

#[test]
fn a_failed_update_is_rolled_back_to_the_tasks_that_still_run() {
    let (mut bench, id) = bench(web().update(|config| config.failure_action = FailureAction::Rollback));
    let before: Vec<_> = bench.live(id).iter().map(|task| task.id).collect();
    bench.update_image(id, BROKEN_IMAGE);
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x4");
    let kept = bench.live(id).iter().filter(|task| before.contains(&task.id)).count();
    assert_eq!(kept, 3);
    let rollout = rollout(&bench, id);
    assert_eq!(rollout.state, RolloutState::RolledBack);
    assert!(rollout.message.starts_with("rollback completed; update rolled back due to failure"));
    assert_eq!(bench.service(id).previous, None);
}

#[test]
fn with_start_first_a_failed_update_costs_no_task() {
    let action = |config: &mut RolloutConfig| config.failure_action = FailureAction::Rollback;
    let (mut bench, id) = bench(web().order(RolloutOrder::StartFirst).update(action));
    let before: Vec<_> = bench.live(id).iter().map(|task| task.id).collect();
    bench.update_image(id, BROKEN_IMAGE);
    bench.settle();
    assert_eq!(bench.live(id).iter().map(|task| task.id).collect::<Vec<_>>(), before);
}

#[test]
fn a_rollback_that_fails_is_paused_and_not_rolled_back() {
    let action = |config: &mut RolloutConfig| config.failure_action = FailureAction::Rollback;
    let (mut bench, id) = bench(web().update(action));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(1));
    bench.rollback(id);
    // What it goes back to does not work any more.
    bench.run_for(Duration::from_secs(1));
    bench.fail_one(id);
    bench.run_for(Duration::from_secs(60));
    let rollout = rollout(&bench, id);
    assert_eq!(rollout.state, RolloutState::RollbackPaused);
    assert!(rollout.message.starts_with("rollback paused due to failure"));
}

#[test]
fn a_new_task_that_loses_its_node_is_no_failure() {
    let (mut bench, id) = bench(web());
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(1));
    let lost = bench.live(id)[0].node.unwrap();
    bench.offline.insert(lost);
    bench.settle();
    assert_eq!(rollout(&bench, id).message, "update completed");
    assert_eq!(images(&bench, id), "app:2 x4");
}
