//! What happens to containers when the daemon or its managers go away and come back.

use crate::support::{Gate, Node, script, until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::model::{ExitStatus, Role, TaskState};
use std::path::Path;

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_finds_its_container_again_and_reports_its_end_once() {
    let node = Node::new().await;
    let task = script("while :; do sleep 1; done").build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    let pid = node.pid_of(&task).await;

    daemon.kill().await;
    assert!(lives(pid), "the container went with the daemon");
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    assert_eq!(node.pid_of(&task).await, pid);
    assert_eq!(daemon.handle.board().running(), 1);

    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
    let end = node.end_of(&task).await;
    assert_eq!((end.state, end.exit), (TaskState::Failed, Some(ExitStatus { code: 137, oom_killed: false })));
    assert_eq!(end.error.as_deref(), Some("ended by SIGKILL (exit code 137)"));
    let heartbeats = node.manager.heartbeats();
    until("more of the session", || node.manager.heartbeats() > heartbeats + 5).await;
    let ends = node.manager.statuses(task.id).into_iter().filter(|status| status.state.is_terminal());
    assert_eq!(ends.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_while_the_daemon_was_away_is_reported_when_it_is_back() {
    let node = Node::new().await;
    let gate = node.gate();
    let task = script(&format!("{}; exit 3", Gate::WAIT)).mount(gate.mount()).build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    let pid = node.pid_of(&task).await;
    daemon.kill().await;
    gate.open();
    until("the container's end", || !lives(pid)).await;

    let _daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    let end = node.end_of(&task).await;
    assert_eq!((end.state, end.error.as_deref()), (TaskState::Failed, Some("exited with code 3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_stop_says_goodbye_and_leaves_containers_running() {
    let node = Node::new().await;
    let task = script("while :; do sleep 1; done").build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    let pid = node.pid_of(&task).await;
    daemon.stop().await;
    assert_eq!(node.manager.goodbyes(), 1);
    assert!(lives(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_session_is_made_again_and_changes_nothing_for_containers() {
    let node = Node::new().await;
    let task = script("while :; do sleep 1; done").build();
    let _daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    let pid = node.pid_of(&task).await;
    node.manager.hang_up();
    until("another session", || node.manager.registrations() == 2 && node.manager.is_up()).await;
    node.manager.assign(&[&task]).await;
    node.manager.assign_with_a_gap().await;
    until("a session after the gap", || node.manager.registrations() == 3 && node.manager.is_up()).await;
    assert!(lives(pid));
    assert_eq!(node.manager.managers_seen(), Some((1, Role::Worker)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cleared_has_nothing_left() {
    let node = Node::new().await;
    let task = script("while :; do sleep 1; done").build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    let pid = node.pid_of(&task).await;
    let container = daemon.handle.board().container(task.id);
    assert!(container.path().exists());
    daemon.handle.clear().await;
    daemon.ended().await;
    assert!(!lives(pid) && !container.path().exists());
}
