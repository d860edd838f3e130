//! Rollouts from beginning to end.

use super::*;
use crate::testing::{BROKEN_IMAGE, Bench, MISSING_IMAGE, ServiceBuilder, node, service};
use proto::model::{
    Availability, DesiredState, FailureAction, RestartCondition, RolloutOrder, ServiceId, ServiceMode,
};
use std::time::Duration;

/// A service that runs on three nodes.
fn bench(service: ServiceBuilder) -> (Bench, ServiceId) {
    let mut bench = Bench::new();
    (1..=3).for_each(|n| {
        bench.add(node(n));
    });
    let web = bench.create(service);
    bench.settle();
    (bench, web)
}

fn web() -> ServiceBuilder {
    service("web").replicas(4)
}

fn rollout(bench: &Bench, web: ServiceId) -> Rollout {
    bench.service(web).rollout.clone().expect("there was an update")
}

/// How many live tasks have each image, as `IMAGE xN`.
fn images(bench: &Bench, web: ServiceId) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for task in bench.live(web) {
        *counts.entry(task.spec.task.container.image.clone()).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(image, count)| format!("{image} x{count}")).collect();
    parts.join(", ")
}

#[test]
fn an_update_reaches_every_slot_and_is_completed_when_the_last_one_was_watched() {
    let (mut bench, id) = bench(web());
    bench.update_image(id, "app:2");
    assert_eq!(bench.settle(), Duration::from_secs(5));
    assert_eq!(images(&bench, id), "app:2 x4");
    let rollout = rollout(&bench, id);
    assert_eq!((rollout.state, rollout.message.as_str()), (RolloutState::Completed, "update completed"));
    assert_eq!(rollout.ended_at, Some(bench.now));
    assert!(rollout.slots.is_empty());
}

#[test]
fn so_many_slots_are_replaced_at_the_same_time_as_the_parallelism_says() {
    for (parallelism, expected) in [(1, "app:1 x3, app:2 x1"), (3, "app:1 x1, app:2 x3"), (0, "app:2 x4")] {
        let (mut bench, id) = bench(web().parallelism(parallelism));
        bench.update_image(id, "app:2");
        bench.pass();
        bench.pass();
        assert_eq!(images(&bench, id), expected);
    }
}

#[test]
fn the_delay_passes_between_a_task_that_runs_and_the_next_slot() {
    let (mut bench, id) = bench(web().update(|config| config.delay = Duration::from_secs(20)));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_millis(19_999));
    assert_eq!(images(&bench, id), "app:1 x3, app:2 x1");
    bench.run_for(Duration::from_millis(1));
    assert_eq!(images(&bench, id), "app:1 x2, app:2 x2");
    // Three delays more, of which the last one is watched.
    assert_eq!(bench.settle(), Duration::from_secs(60));
}

#[test]
fn with_start_first_the_service_never_has_fewer_tasks_than_wanted() {
    let (mut bench, id) = bench(web().order(RolloutOrder::StartFirst).parallelism(2));
    bench.update_image(id, "app:2");
    for _ in 0..20 {
        bench.pass();
        let running = bench.live(id).iter().filter(|task| task.status.state == TaskState::Running).count();
        assert!((4..=6).contains(&running), "{running} tasks run");
        bench.agents_obey();
    }
    assert_eq!(images(&bench, id), "app:2 x4");
}

#[test]
fn a_slot_that_does_not_run_is_updated_first() {
    let (mut bench, id) = bench(web());
    let last = bench.live(id)[3].clone();
    bench.report(&last, TaskState::Failed);
    bench.update_image(id, "app:2");
    bench.pass();
    assert_eq!(bench.live(id)[3].task_version, bench.service(id).task_version);
    assert_eq!(images(&bench, id), "app:1 x3, app:2 x1");
}

#[test]
fn an_update_of_replicas_or_labels_alone_is_no_rollout() {
    let (mut bench, id) = bench(web());
    bench.update(id, |spec| {
        spec.mode = ServiceMode::Replicated { replicas: 5 };
        spec.labels.insert("tier".into(), "front".into());
    });
    bench.settle();
    assert_eq!((images(&bench, id).as_str(), bench.service(id).rollout.clone()), ("app:1 x5", None));
}

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
fn a_rollback_keeps_the_replica_count_and_done_twice_leads_back() {
    let (mut bench, id) = bench(web());
    bench.update_image(id, "app:2");
    bench.settle();
    bench.scale(id, 5);
    bench.settle();
    bench.rollback(id);
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x5");
    bench.rollback(id);
    bench.settle();
    assert_eq!(images(&bench, id), "app:2 x5");
}

#[test]
fn an_update_supersedes_one_in_progress_and_keeps_the_way_back_to_what_worked() {
    let (mut bench, id) = bench(web());
    bench.update_image(id, BROKEN_IMAGE);
    bench.run_for(Duration::from_secs(10));
    bench.update_image(id, "app:3");
    bench.settle();
    assert_eq!(images(&bench, id), "app:3 x4");
    bench.rollback(id);
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x4");
}

#[test]
fn scaling_leaves_a_paused_update_paused_and_an_empty_update_resumes_it() {
    let (mut bench, id) = bench(web());
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_millis(1));
    bench.agents_obey();
    bench.fail_one(id);
    bench.run_for(Duration::from_secs(60));
    let paused = rollout(&bench, id);
    assert_eq!(paused.state, RolloutState::Paused);
    bench.scale(id, 5);
    bench.settle();
    assert_eq!(rollout(&bench, id), paused);
    bench.update(id, |_| {});
    bench.settle();
    assert_eq!((images(&bench, id).as_str(), rollout(&bench, id).state), ("app:2 x5", RolloutState::Completed));
}

#[test]
fn going_back_by_hand_spares_the_tasks_that_were_not_updated_yet() {
    let (mut bench, id) = bench(web());
    let before: Vec<_> = bench.live(id).iter().map(|task| task.id).collect();
    bench.update_image(id, BROKEN_IMAGE);
    bench.run_for(Duration::from_secs(10));
    bench.update_image(id, "app:1");
    bench.settle();
    assert_eq!(bench.live(id).iter().filter(|task| before.contains(&task.id)).count(), 3);
    assert_eq!(images(&bench, id), "app:1 x4");
}

#[test]
fn a_task_version_is_never_given_twice() {
    let (mut bench, id) = bench(web());
    let mut seen = vec![bench.service(id).task_version];
    for n in 2..6 {
        bench.update_image(id, &format!("app:{n}"));
        seen.push(bench.service(id).task_version);
        // Neither a rollback nor a change of labels may make a number free again.
        bench.rollback(id);
        bench.update(id, |spec| drop(spec.labels.insert("n".into(), n.to_string())));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn what_a_rollout_waits_for_is_told() {
    let (mut bench, id) = bench(web());
    bench.update(id, |spec| spec.task.reservations.memory_bytes = 16 << 30);
    bench.settle();
    let message = rollout(&bench, id).message;
    assert_eq!(
        message,
        "update in progress: 0 of 4 slots done; slot 1 waits: no suitable node (0 of 3 nodes: 3 out of memory (needs 16 GiB, largest free 8 GiB))"
    );
    assert_eq!(images(&bench, id), "app:1 x4");
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

#[test]
fn a_global_service_is_updated_node_by_node_and_waits_for_paused_ones() {
    let (mut bench, id) = bench(service("agent").global());
    let paused = bench.live(id)[1].node.unwrap();
    bench.edit_node(paused, |node| node.spec.availability = Availability::Pause);
    bench.update_image(id, "app:2");
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x1, app:2 x2");
    let waiting = rollout(&bench, id).message;
    let expected = "update in progress: 2 of 3 slots done; the other slots wait for their nodes, which take no tasks now";
    assert_eq!(waiting, expected);
    bench.edit_node(paused, |node| node.spec.availability = Availability::Active);
    bench.settle();
    assert_eq!((images(&bench, id).as_str(), rollout(&bench, id).message.as_str()), ("app:2 x3", "update completed"));
}

#[test]
fn slots_that_go_away_are_no_part_of_the_rollout_any_more() {
    let (mut bench, id) = bench(web().update(|config| config.monitor = Duration::from_secs(60)));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(1));
    bench.scale(id, 1);
    bench.settle();
    assert_eq!((images(&bench, id).as_str(), rollout(&bench, id).state), ("app:2 x1", RolloutState::Completed));
}

#[test]
fn a_new_leader_carries_on_in_the_middle() {
    let (mut bench, id) = bench(web().update(|config| config.delay = Duration::from_secs(20)));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(30));
    let image = bench.state.to_image();
    bench.state = crate::state::State::from_image(image).unwrap();
    bench.liveness = crate::liveness::Liveness { leader_since: bench.now, ..Default::default() };
    assert_eq!(bench.settle(), Duration::from_secs(50));
    assert_eq!(images(&bench, id), "app:2 x4");
}

#[test]
fn an_old_task_is_stopped_before_the_new_one_is_started() {
    let (mut bench, id) = bench(web().replicas(1));
    bench.update_image(id, "app:2");
    bench.pass();
    let mut wishes: Vec<_> = bench.tasks(id).iter().map(|task| (task.task_version, task.desired)).collect();
    wishes.sort();
    assert_eq!(wishes.iter().map(|(_, wish)| *wish).collect::<Vec<_>>(), [DesiredState::Shutdown, DesiredState::Ready]);
}
