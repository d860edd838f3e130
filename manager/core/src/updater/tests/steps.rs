//! How a rollout goes from slot to slot.

use super::{bench, images, rollout, web};
use crate::{liveness::Liveness, state::State, testing::service};
use proto::model::{Availability, DesiredState, RolloutOrder, RolloutState, TaskState};
use std::time::Duration;

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
fn what_a_rollout_waits_for_is_told() {
    let (mut bench, id) = bench(web());
    bench.update(id, |spec| spec.task.reservations.memory_bytes = 16 << 30);
    bench.run_for(Duration::from_secs(60));
    let message = rollout(&bench, id).message;
    assert_eq!(
        message,
        "update in progress: 0 of 4 slots done; slot 1 waits: no suitable node (0 of 3 nodes: 3 out of memory (needs 16 GiB, largest free 8 GiB))"
    );
    assert_eq!(images(&bench, id), "app:1 x4");
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
    assert_eq!(
        (images(&bench, id).as_str(), rollout(&bench, id).message.as_str()),
        ("app:2 x3", "update completed")
    );
}

#[test]
fn a_global_service_does_not_wait_for_a_node_that_goes_down_before_its_new_task_runs() {
    let (mut bench, id) = bench(service("agent").global());
    bench.update_image(id, "app:2");
    bench.pass();
    let begun = bench.live(id).into_iter().find(|task| task.spec.task.container.image == "app:2");
    let lost = begun.and_then(|task| task.node).unwrap();
    bench.offline.insert(lost);
    bench.settle();
    assert_eq!(rollout(&bench, id).state, RolloutState::Completed);
    bench.offline.remove(&lost);
    bench.settle();
    assert_eq!(images(&bench, id), "app:2 x3");
    assert!(bench.live(id).iter().all(|task| task.status.state == TaskState::Running));
}

#[test]
fn slots_that_go_away_are_no_part_of_the_rollout_any_more() {
    let (mut bench, id) = bench(web().update(|config| config.monitor = Duration::from_secs(60)));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(1));
    bench.scale(id, 1);
    bench.settle();
    assert_eq!(
        (images(&bench, id).as_str(), rollout(&bench, id).state),
        ("app:2 x1", RolloutState::Completed)
    );
}

#[test]
fn a_new_leader_carries_on_in_the_middle() {
    let (mut bench, id) = bench(web().update(|config| config.delay = Duration::from_secs(20)));
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(30));
    let image = bench.state.to_image();
    bench.state = State::from_image(image).unwrap();
    bench.liveness = Liveness { leader_since: bench.now, ..Default::default() };
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
    assert_eq!(
        wishes.iter().map(|(_, wish)| *wish).collect::<Vec<_>>(),
        [DesiredState::Shutdown, DesiredState::Ready]
    );
}
