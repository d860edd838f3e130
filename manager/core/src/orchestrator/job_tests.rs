//! Jobs from their first task to their end.

use super::*;
use crate::testing::{Bench, ServiceBuilder, node, service};
use proto::model::{NodeId, ServiceId};
use std::time::Duration;

fn bench(job: ServiceBuilder) -> (Bench, ServiceId) {
    let mut bench = Bench::new();
    bench.add(node(1));
    bench.add(node(2));
    let job = bench.create(job);
    bench.settle();
    (bench, job)
}

/// Lets every running task end so.
fn all_end(bench: &mut Bench, job: ServiceId, state: TaskState) {
    for task in running(bench, job) {
        bench.report(&task, state);
    }
    bench.settle();
}

fn running(bench: &Bench, job: ServiceId) -> Vec<std::sync::Arc<Task>> {
    let mut live = bench.live(job);
    live.retain(|task| task.status.state == TaskState::Running);
    live
}

fn run(bench: &Bench, job: ServiceId) -> JobRun {
    bench.service(job).job.clone().unwrap()
}

fn failure(bench: &Bench, job: ServiceId) -> Option<String> {
    run(bench, job).end.unwrap().failure
}

fn numbers(bench: &Bench, job: ServiceId) -> Vec<String> {
    running(bench, job).iter().map(|task| task.slot.to_string()).collect()
}

#[test]
fn a_job_runs_some_tasks_at_a_time_until_all_have_completed_and_keeps_them() {
    let (mut bench, job) = bench(service("job").job(5, 2));
    assert_eq!(numbers(&bench, job), ["0", "1"]);
    for expected in [vec!["2", "3"], vec!["4"], vec![]] {
        all_end(&mut bench, job, TaskState::Complete);
        assert_eq!(numbers(&bench, job), expected);
    }
    assert_eq!((failure(&bench, job), bench.states(job)), (None, vec![TaskState::Complete; 5]));
    assert!(bench.pass().is_empty());
}

#[test]
fn a_task_that_fails_is_tried_again_in_its_slot_after_the_delay() {
    let (mut bench, job) = bench(service("job").job(2, 1));
    let task = running(&bench, job)[0].clone();
    bench.report(&task, TaskState::Failed);
    assert_eq!(bench.settle(), Duration::from_secs(5));
    assert_eq!((numbers(&bench, job), run(&bench, job).failures), (vec!["0".to_owned()], 1));
    all_end(&mut bench, job, TaskState::Complete);
    all_end(&mut bench, job, TaskState::Complete);
    assert_eq!(failure(&bench, job), None);
}

#[test]
fn beyond_the_back_off_limit_the_run_fails_and_the_rest_is_stopped() {
    let (mut bench, job) = bench(service("job").job(3, 2).bounded(|job| job.backoff_limit = Some(1)));
    for _ in 0..2 {
        let task = running(&bench, job)[0].clone();
        bench.report(&task, TaskState::Failed);
        bench.settle();
    }
    let failure = failure(&bench, job).unwrap();
    assert_eq!(failure, "2 tasks failed, which is beyond the back-off limit");
    assert_eq!(numbers(&bench, job), Vec::<String>::new());
}

#[test]
fn at_the_deadline_the_run_fails_and_is_stopped() {
    let minute = Some(Duration::from_secs(60));
    let (mut bench, job) = bench(service("job").job(1, 1).bounded(|job| job.deadline = minute));
    bench.run_for(Duration::from_secs(61));
    assert_eq!(failure(&bench, job).unwrap(), "it did not complete within 60s");
    assert_eq!(bench.states(job), [TaskState::Shutdown]);
}

#[test]
fn a_run_that_the_policy_lets_not_go_on_fails_when_the_others_have_ended() {
    let never = |policy: &mut RestartPolicy| policy.condition = RestartCondition::None;
    let (mut bench, job) = bench(service("job").job(2, 2).restart(never));
    let task = running(&bench, job)[0].clone();
    bench.report(&task, TaskState::Failed);
    bench.settle();
    assert_eq!((numbers(&bench, job).len(), run(&bench, job).end), (1, None));
    all_end(&mut bench, job, TaskState::Complete);
    assert_eq!(failure(&bench, job).unwrap(), "the restart policy lets no task go on");
}

#[test]
fn each_update_runs_it_anew_and_removes_what_ran_before() {
    let (mut bench, job) = bench(service("job").job(1, 1));
    all_end(&mut bench, job, TaskState::Complete);
    bench.update(job, |_| {});
    bench.settle();
    assert_eq!((bench.states(job), run(&bench, job).iteration), (vec![TaskState::Running], 2));
    assert!(bench.service(job).rollout.is_none());
    bench.update_image(job, "app:2");
    bench.settle();
    let tasks = bench.tasks(job);
    assert_eq!((tasks.len(), tasks[0].spec.task.container.image.as_str()), (1, "app:2"));
    bench.rollback(job);
    bench.settle();
    assert_eq!((run(&bench, job).iteration, bench.states(job)), (4, vec![TaskState::Running]));
}

#[test]
fn a_job_that_has_ended_is_removed_after_its_time_to_live() {
    let hour = Some(Duration::from_secs(3600));
    let (mut bench, job) = bench(service("job").job(1, 1).bounded(|job| job.ttl = hour));
    let task = running(&bench, job)[0].clone();
    bench.report(&task, TaskState::Complete);
    bench.run_for(Duration::from_secs(3599));
    assert!(bench.state.service(job).is_some());
    bench.run_for(Duration::from_secs(2));
    bench.settle();
    assert!(bench.state.service(job).is_none());
}

#[test]
fn a_task_of_a_lost_or_drained_node_is_made_anew_elsewhere_and_is_no_failure() {
    let (mut bench, job) = bench(service("job").job(1, 1));
    let lose = |bench: &mut Bench, node| {
        bench.offline.insert(node);
    };
    for leave in [Bench::drain as fn(&mut Bench, NodeId), lose] {
        let node = running(&bench, job)[0].node.unwrap();
        leave(&mut bench, node);
        bench.settle();
        assert_ne!(running(&bench, job)[0].node.unwrap(), node);
        bench.edit_node(node, |node| node.spec.availability = proto::model::Availability::Active);
        bench.offline.clear();
        bench.settle();
    }
    assert_eq!(run(&bench, job).failures, 0);
}

#[test]
fn a_global_job_completes_once_on_every_node_and_on_those_that_join() {
    let (mut bench, job) = bench(service("job").global_job());
    assert_eq!(running(&bench, job).len(), 2);
    all_end(&mut bench, job, TaskState::Complete);
    assert_eq!((failure(&bench, job), running(&bench, job).len()), (None, 0));
    let third = bench.add(node(3));
    bench.settle();
    assert_eq!(running(&bench, job)[0].node, Some(third));
    all_end(&mut bench, job, TaskState::Complete);
    assert_eq!(bench.states(job), [TaskState::Complete; 3]);
}

#[test]
fn a_new_secret_is_no_wish_for_another_run() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let key = bench.add_secret("key", "one");
    let used = bench.payload(key);
    let job = bench.create(service("job").job(2, 1).secret(&used));
    bench.settle();
    all_end(&mut bench, job, TaskState::Complete);
    bench.update_payload(key, "two", proto::model::Roll::Restart);
    bench.settle();
    assert_eq!((run(&bench, job).iteration, bench.states(job).len()), (1, 2));
}
