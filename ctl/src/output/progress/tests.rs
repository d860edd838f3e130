//! Histories of services, and what is made of them.

use super::*;
use crate::output::{
    fixtures::{self, NOW_MS},
    screen,
};
use proto::wire::{self, DesiredState, Task, TaskState, service_spec::Mode};

/// A service of so many replicas.
fn service(replicas: u32) -> Service {
    let mut service = fixtures::service("web", Mode::Replicated(wire::service_spec::Replicated { replicas }));
    service.updated_at = service.created_at;
    service
}

/// The `nth` task of a slot.
fn task(slot: &str, nth: i64, state: TaskState, why: &str) -> Task {
    let mut task = fixtures::task(&format!("task{slot}x{nth}"), slot, state);
    task.created_at += nth * 1_000;
    let status = task.status.as_mut().expect("made with one");
    match state {
        TaskState::Pending => status.message = why.into(),
        _ => status.error = why.into(),
    }
    task
}

fn ran(slot: &str, nth: i64) -> Task {
    task(slot, nth, TaskState::Running, "")
}

fn view(service: &Service, tasks: &[Task]) -> ServiceView {
    ServiceView { service: Some(service.clone()), tasks: tasks.to_vec() }
}

/// What is printed off a terminal while the views come in, a second after another, and the outcome.
fn transcript(mut progress: Progress, views: &[ServiceView]) -> (String, Option<Outcome>) {
    let mut printed = String::new();
    let mut before = None;
    for (nth, view) in views.iter().enumerate() {
        let Some(step) = progress.view(view, NOW_MS + nth as i64 * 1_000) else { continue };
        screen::changes(before.as_ref(), &step).iter().for_each(|line| printed += &format!("{line}\n"));
        if step.outcome.is_some() {
            return (printed, step.outcome);
        }
        before = Some(step);
    }
    (printed, None)
}

fn spec_progress(service: &Service) -> Progress {
    Progress::new(Goal::Spec, service, BTreeMap::new())
}

fn reason(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Failed(failure)) => failure.reason,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn off_a_terminal_only_changes_are_printed() {
    let service = service(2);
    let views = [
        view(&service, &[]),
        view(&service, &[task("1", 0, TaskState::Pending, "0 of 3 nodes fit: 3 lack label disk=ssd")]),
        view(&service, &[ran("1", 0), task("2", 0, TaskState::Preparing, "")]),
        view(&service, &[ran("1", 0), task("2", 0, TaskState::Preparing, "")]),
        view(&service, &[ran("1", 0), ran("2", 0)]),
        view(&service, &[ran("1", 0), ran("2", 0)]),
    ];
    let (printed, outcome) = transcript(spec_progress(&service), &views);
    let expected = "\
overall progress: 0 out of 2 tasks
web.1: pending: 0 of 3 nodes fit: 3 lack label disk=ssd
web.1: running
web.2: preparing
overall progress: 1 out of 2 tasks
web.2: running
overall progress: 2 out of 2 tasks
verify: watching for a moment that the tasks stay up
";
    assert_eq!(printed, expected);
    assert_eq!(outcome, Some(Outcome::Converged));
}

#[test]
fn a_service_that_shrinks_has_not_arrived_while_it_is_larger() {
    let service = service(1);
    let removed = Task { desired: DesiredState::Remove.into(), ..ran("2", 0) };
    let mut progress = spec_progress(&service);
    let before = progress.view(&view(&service, &[ran("1", 0), ran("2", 0)]), NOW_MS).unwrap();
    assert_eq!((before.arrived, before.outcome), (1, None));
    let after = progress.view(&view(&service, &[ran("1", 0), removed]), NOW_MS).unwrap();
    assert_eq!(after.outcome, Some(Outcome::Converged));
}

#[test]
fn new_tasks_are_watched_for_a_second_and_old_ones_not() {
    let service = service(1);
    let mut progress = spec_progress(&service);
    progress.view(&view(&service, &[]), NOW_MS).unwrap();
    let step = progress.view(&view(&service, &[ran("1", 0)]), NOW_MS).unwrap();
    assert_eq!((step.watching, step.look_again_ms, step.outcome), (true, Some(NOW_MS + 1_000), None));
    assert_eq!(progress.look(NOW_MS + 999).unwrap().outcome, None);
    assert_eq!(progress.look(NOW_MS + 1_000).unwrap().outcome, Some(Outcome::Converged));

    let step = spec_progress(&service).view(&view(&service, &[ran("1", 0)]), NOW_MS).unwrap();
    assert_eq!(step.outcome, Some(Outcome::Converged), "it ran when we came");
}

#[test]
fn a_task_that_ends_while_it_is_watched_begins_the_watch_anew() {
    let service = service(1);
    let views = [
        view(&service, &[]),
        view(&service, &[ran("1", 0)]),
        view(&service, &[task("1", 0, TaskState::Failed, "exit 1"), task("1", 1, TaskState::Ready, "")]),
        view(&service, &[task("1", 0, TaskState::Failed, "exit 1"), ran("1", 1)]),
    ];
    let mut progress = spec_progress(&service);
    for (nth, view) in views.iter().enumerate() {
        assert_eq!(progress.view(view, NOW_MS + nth as i64 * 500).unwrap().outcome, None);
    }
    assert_eq!(progress.look(NOW_MS + 2_499).unwrap().outcome, None);
    assert_eq!(progress.look(NOW_MS + 2_500).unwrap().outcome, Some(Outcome::Converged));
}

#[test]
fn views_from_before_the_change_are_passed_over() {
    let mut changed = service(2);
    changed.version = 20;
    let mut progress = spec_progress(&changed);
    assert_eq!(progress.view(&view(&service(1), &[ran("1", 0)]), NOW_MS), None);
    assert_eq!(progress.look(NOW_MS), None);
    assert_eq!(progress.view(&view(&changed, &[ran("1", 0)]), NOW_MS).unwrap().outcome, None);
}

fn rolling(mut service: Service, state: RolloutState) -> Service {
    service.task_version = 2;
    service.rollout = Some(RolloutStatus {
        state: state.into(),
        started_at: NOW_MS,
        ended_at: None,
        message: "task task1x1 failed".into(),
        ..Default::default()
    });
    service
}

fn second_version(mut task: Task) -> Task {
    task.task_version = 2;
    task
}

#[test]
fn an_update_is_done_when_its_rollout_is_complete() {
    let updating = rolling(service(1), RolloutState::Updating);
    let done = rolling(service(1), RolloutState::Completed);
    let mut progress = spec_progress(&updating);
    let new = second_version(ran("1", 1));
    for tasks in [
        vec![ran("1", 0)],
        vec![ran("1", 0), second_version(task("1", 1, TaskState::Ready, ""))],
        vec![new.clone()],
    ] {
        assert_eq!(progress.view(&view(&updating, &tasks), NOW_MS).unwrap().outcome, None);
    }
    let step = progress.view(&view(&done, &[new]), NOW_MS).unwrap();
    assert_eq!(step.outcome, Some(Outcome::Converged), "the rollout has watched the tasks already");
}

#[test]
fn a_rollout_that_is_paused_or_rolled_back_is_a_failure() {
    let updating = rolling(service(1), RolloutState::Updating);
    let failed = [second_version(task("1", 1, TaskState::Failed, "exit 1"))];
    for (state, says) in [
        (RolloutState::Paused, "task task1x1 failed"),
        (RolloutState::RollbackCompleted, "task task1x1 failed"),
        (RolloutState::RollbackPaused, "task task1x1 failed"),
    ] {
        let step =
            spec_progress(&updating).view(&view(&rolling(service(1), state), &failed), NOW_MS).unwrap();
        let Some(Outcome::Failed(failure)) = step.outcome else { panic!("{state:?} is not a failure") };
        assert_eq!((failure.reason.as_str(), failure.task.as_deref()), (says, Some(failed[0].id.as_str())));
    }
    let back = rolling(service(1), RolloutState::RollbackStarted);
    let mut progress = spec_progress(&updating);
    assert_eq!(progress.view(&view(&back, &failed), NOW_MS).unwrap().outcome, None);
    let done = rolling(service(1), RolloutState::RollbackCompleted);
    let step = progress.view(&view(&done, &[second_version(ran("1", 2))]), NOW_MS).unwrap();
    let Some(Outcome::Failed(failure)) = step.outcome else {
        panic!("a rollback is a failure of the update")
    };
    assert_eq!(
        failure.task.as_deref(),
        Some(failed[0].id.as_str()),
        "its log tells why, though it is history"
    );
    let mut progress = Progress::new(Goal::Rollback, &back, BTreeMap::new());
    let step = progress.view(
        &view(&rolling(service(1), RolloutState::RollbackCompleted), &[second_version(ran("1", 1))]),
        NOW_MS,
    );
    assert_eq!(step.unwrap().outcome, Some(Outcome::Converged));
}

#[test]
fn a_rollout_that_ended_before_the_change_says_nothing_about_it() {
    let mut scaled = service(1);
    scaled.rollout = Some(RolloutStatus { state: RolloutState::Paused.into(), ..Default::default() });
    let step = spec_progress(&scaled).view(&view(&scaled, &[ran("1", 0)]), NOW_MS).unwrap();
    assert_eq!(step.outcome, Some(Outcome::Converged));
}

#[test]
fn a_slot_that_is_rejected_three_times_is_given_up() {
    let service = service(1);
    let rejected = |nth| task("1", nth, TaskState::Rejected, "no such image: ngnix");
    let tries: Vec<Task> = (0..3).map(rejected).collect();
    // The first one is forgotten by the managers before the third is there.
    let views = [view(&service, &tries[..2]), view(&service, &tries[1..])];
    let (_, outcome) = transcript(spec_progress(&service), &views);
    assert_eq!(reason(outcome), "web.1 was rejected 3 times: no such image: ngnix");
}

#[test]
fn tries_from_before_the_change_do_not_count() {
    let mut scaled = service(1);
    scaled.updated_at = NOW_MS;
    let old: Vec<Task> = (0..3).map(|nth| task("1", nth, TaskState::Rejected, "no such image")).collect();
    let tasks: Vec<Task> = old.into_iter().chain([task("1", 3, TaskState::Ready, "")]).collect();
    assert_eq!(spec_progress(&scaled).view(&view(&scaled, &tasks), NOW_MS).unwrap().outcome, None);
}

#[test]
fn a_slot_that_recovers_is_not_given_up() {
    let service = service(2);
    let failed: Vec<Task> = (0..4).map(|nth| task("1", nth, TaskState::Failed, "exit 1")).collect();
    let with = |last: Task| failed.iter().cloned().chain([last]).collect::<Vec<_>>();
    let mut progress = spec_progress(&service);
    let waits = |step: Option<Step>| assert_eq!(step.unwrap().outcome, None);
    waits(progress.view(&view(&service, &with(task("1", 5, TaskState::Ready, ""))), NOW_MS));
    waits(progress.view(&view(&service, &with(ran("1", 5))), NOW_MS));
    waits(progress.view(
        &view(&service, &[task("1", 5, TaskState::Failed, "exit 1"), task("1", 6, TaskState::Ready, "")]),
        NOW_MS,
    ));
}

#[test]
fn a_policy_that_allows_no_further_try_ends_the_wait() {
    let mut service = service(1);
    let policy = |condition: wire::restart_policy::Condition, max_attempts| wire::RestartPolicy {
        condition: condition.into(),
        max_attempts,
        ..Default::default()
    };
    use wire::restart_policy::Condition;
    let outcome_with = |service: &mut Service, policy, tasks: &[Task]| {
        service.spec.as_mut().unwrap().task.as_mut().unwrap().restart = Some(policy);
        spec_progress(service).view(&view(service, tasks), NOW_MS).unwrap().outcome
    };
    let failed = [task("1", 0, TaskState::Failed, "exit 1"), task("1", 1, TaskState::Failed, "exit 1")];
    let none = outcome_with(&mut service, policy(Condition::None, 0), &failed[..1]);
    assert_eq!(reason(none), "web.1 ended, and its restart policy allows no further try: exit 1");
    assert_eq!(outcome_with(&mut service, policy(Condition::OnFailure, 1), &failed[..1]), None);
    assert!(matches!(
        outcome_with(&mut service, policy(Condition::OnFailure, 1), &failed),
        Some(Outcome::Failed(_))
    ));
    let complete = [task("1", 0, TaskState::Complete, "")];
    assert_eq!(
        outcome_with(&mut service, policy(Condition::OnFailure, 0), &complete),
        Some(Outcome::Converged)
    );
    assert_eq!(outcome_with(&mut service, policy(Condition::Any, 0), &complete), None);
}

#[test]
fn a_smaller_service_does_not_wait_for_the_slots_it_gave_up() {
    let smaller = service(1);
    let mut going = ran("2", 0);
    going.desired = DesiredState::Remove.into();
    let step = spec_progress(&smaller).view(&view(&smaller, &[ran("1", 0), going]), NOW_MS).unwrap();
    assert_eq!((step.lines.len(), step.outcome), (1, Some(Outcome::Converged)));
}

#[test]
fn a_global_service_waits_for_every_node_and_names_it() {
    let service = fixtures::service("agent", Mode::Global(Default::default()));
    let nodes =
        BTreeMap::from([("n1".to_owned(), "host-1".to_owned()), ("n2".to_owned(), "host-2".to_owned())]);
    let mut progress = Progress::new(Goal::Spec, &service, nodes);
    assert_eq!(progress.view(&view(&service, &[]), NOW_MS).unwrap().outcome, None, "no task was made yet");
    let step = progress
        .view(&view(&service, &[ran("n1", 0), task("n2", 0, TaskState::Starting, "")]), NOW_MS)
        .unwrap();
    assert_eq!((step.arrived, step.wanted, step.outcome), (1, 2, None));
    assert_eq!(step.lines[1].name, "agent.host-2");
}
