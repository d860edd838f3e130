//! What updates and rollbacks that people ask for do to rollouts.

use super::{bench, images, rollout, web};
use crate::testing::BROKEN_IMAGE;
use proto::model::{RolloutState, ServiceMode};
use std::time::Duration;

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
    assert_eq!(
        (images(&bench, id).as_str(), rollout(&bench, id).state),
        ("app:2 x5", RolloutState::Completed)
    );
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
