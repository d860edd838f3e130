//! What applying does and refuses.

use super::*;
use crate::testing::{Bench, node, service};
use proto::model::{DesiredState, Id, NodeStatus, TaskState, TaskStatus, Timestamp};

fn report(task: TaskId, state: TaskState, message: &str) -> Change {
    let status = TaskStatus { state, message: message.into(), ..TaskStatus::new(Timestamp(0)) };
    Change::ReportStatus { task, status }
}

/// A cluster with one task that runs.
fn bench() -> (Bench, ServiceId, TaskId) {
    let mut bench = Bench::new();
    bench.add(node(1));
    let web = bench.create(service("web"));
    bench.settle();
    let task = bench.live(web)[0].id;
    (bench, web, task)
}

#[test]
fn a_transaction_that_is_refused_changes_nothing() {
    let (mut bench, web, task) = bench();
    let before = bench.state.clone();
    let desired = DesiredState::Shutdown;
    let changes = vec![Change::SetDesired { task, desired }, Change::DeleteService(web)];
    let refused = bench.state.apply(&Transaction::of(changes));
    assert_eq!(refused, Err(Refusal::InUse(ObjectId::Service(web))));
    assert_eq!(bench.state, before);
}

#[test]
fn what_was_decided_from_an_older_object_is_refused() {
    let (mut bench, web, _) = bench();
    let known = bench.service(web);
    bench.scale(web, 2);
    for (object, version) in
        [(ObjectId::Service(web), known.version), (ObjectId::ServiceSpec(web), known.spec_version)]
    {
        let late = Transaction { expect: vec![Expect { object, version }], changes: vec![] };
        assert!(
            matches!(bench.state.apply(&late), Err(Refusal::Stale { object: stale, .. }) if stale == object)
        );
    }
}

#[test]
fn restarts_leave_what_people_asked_for_unchanged() {
    let (mut bench, web, _) = bench();
    let known = bench.service(web);
    bench.fail_one(web);
    bench.pass();
    let now = bench.service(web);
    assert!(now.version > known.version);
    assert_eq!(now.spec_version, known.spec_version);
}

#[test]
fn a_report_that_comes_late_or_twice_changes_nothing() {
    let (mut bench, _, task) = bench();
    bench.change(report(task, TaskState::Failed, "exited"));
    let known = bench.state.task(task).unwrap().clone();
    for late in [TaskState::Running, TaskState::Failed, TaskState::Shutdown] {
        let applied = bench.state.apply(&Transaction::of(vec![report(task, late, "late")])).unwrap();
        assert_eq!(applied.events, []);
    }
    assert_eq!(*bench.state.task(task).unwrap(), known);
}

#[test]
fn a_task_is_newer_than_those_before_it_in_its_slot_even_if_the_next_leaders_clock_is_behind() {
    let (mut bench, web, task) = bench();
    let first = bench.state.task(task).unwrap().clone();
    let an_hour_before = Timestamp(first.created_at.0 - 3_600_000);
    for id in (1..=2).map(Id::from_bits) {
        let (slot, desired, at) = (first.slot, DesiredState::Ready, an_hour_before);
        let new = NewTask { id, service: web, slot, node: None, desired, start_after: None, at };
        bench.change(Change::CreateTask(new));
    }
    let made = |id| bench.state.task(id).unwrap().created_at;
    assert!(first.created_at < made(Id::from_bits(1)));
    assert!(made(Id::from_bits(1)) < made(Id::from_bits(2)));
}

#[test]
fn a_wish_is_only_ever_raised() {
    let (mut bench, _, task) = bench();
    bench.change(Change::SetDesired { task, desired: DesiredState::Shutdown });
    bench.change(Change::SetDesired { task, desired: DesiredState::Running });
    assert_eq!(bench.state.task(task).unwrap().desired, DesiredState::Shutdown);
}

#[test]
fn a_node_with_tasks_that_have_not_ended_stays() {
    let (mut bench, _, task) = bench();
    let id = bench.state.task(task).unwrap().node.unwrap();
    let refused = bench.state.apply(&Transaction::of(vec![Change::DeleteNode(id)]));
    assert_eq!(refused, Err(Refusal::InUse(ObjectId::Node(id))));
}

#[test]
fn what_is_said_of_a_node_leaves_what_people_decided_alone() {
    let (mut bench, ..) = bench();
    let id = NodeId::from_bits(1);
    let status = bench.state.node(id).unwrap().status.clone();
    bench.drain(id);
    let decided = bench.state.node(id).unwrap().spec.clone();
    bench.change(Change::SetNodeStatus { node: id, status: NodeStatus { message: "new".into(), ..status } });
    let node = bench.state.node(id).unwrap();
    assert_eq!((&node.spec, node.status.message.as_str()), (&decided, "new"));
}
