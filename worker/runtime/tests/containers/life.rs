//! Starting, stopping, ending.

use crate::support::{Node, Request, shim, text, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::getsid,
};
use std::{fs, thread};
use worker_runtime::{Outcome, StartError, logs::LogOptions};

fn code(outcome: &Outcome) -> i32 {
    match outcome {
        Outcome::Exited { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_exit_code_is_the_main_processes() {
    assert_eq!(Node::new().run(&Request::script("echo hello; exit 7")), (7, "hello".into()));
}

#[test]
fn a_killed_container_ends_with_137() {
    let node = Node::new();
    let running = node.start(&Request::command(&["sleep", "1000"])).unwrap();
    running.kill().unwrap();
    assert_eq!(code(&wait(&running).outcome), 137);
    assert!(running.kill().is_err(), "it has ended");
}

#[test]
fn the_stop_signal_reaches_the_program() {
    let node = Node::new();
    let mut request =
        Request::script("trap 'echo stopping; exit 3' USR1; echo ready; while :; do sleep 1 & wait $!; done");
    request.container.stop_signal = Some("USR1".parse().unwrap());
    let running = node.start(&request).unwrap();
    node.wait_for_line(request.task, "ready");
    running.stop().unwrap();
    assert_eq!(code(&wait(&running).outcome), 3);
    assert_eq!(text(&node.read(request.task, LogOptions::default())), "ready\nstopping");
}

#[test]
fn a_real_time_signal_that_ends_a_container_is_recorded() {
    let node = Node::new();
    let request = Request::script("trap 'echo never' TERM; echo ready; kill -37 $$; sleep 1000");
    // The first process of a namespace is shielded from signals it has no handler for, so one from
    // outside is needed, and only KILL and STOP pass; a child of it is not shielded.
    let child = Request::script("sh -c 'kill -37 $$'; exit $?");
    assert_eq!(node.run(&child).0, 128 + 37);
    let running = node.start(&request).unwrap();
    node.wait_for_line(request.task, "ready");
    running.signal("RTMIN+3".parse().unwrap()).unwrap();
    running.kill().unwrap();
    assert_eq!(code(&wait(&running).outcome), 137);
}

#[test]
fn what_the_main_process_leaves_running_is_ended() {
    let node = Node::new();
    let request = Request::script("sleep 1000 & sleep 1000 & echo started");
    assert_eq!(node.run(&request), (0, "started".into()));
    node.wait_until_only(&["folder"], request.task);
}

#[test]
fn the_shim_is_out_of_reach_of_what_is_sent_to_the_daemons_group() {
    let node = Node::new();
    let request = Request::command(&["sleep", "1000"]);
    let running = node.start(&request).unwrap();
    let shim = shim(&running);
    assert_eq!(getsid(Some(shim)), Ok(shim));
    // Nor does the daemon have to collect it.
    let parent = fs::read_to_string(format!("/proc/{shim}/status")).unwrap();
    assert!(!parent.contains(&format!("PPid:\t{}\n", std::process::id())));
}

#[test]
fn a_shim_that_is_asked_to_end_asks_its_container() {
    let node = Node::new();
    let request = Request::script("trap 'exit 6' TERM; echo ready; while :; do sleep 1 & wait $!; done");
    let running = node.start(&request).unwrap();
    node.wait_for_line(request.task, "ready");
    // As the system does with every process when it is shut down.
    kill(shim(&running), Signal::SIGTERM).unwrap();
    assert_eq!(code(&wait(&running).outcome), 6);
}

#[test]
fn a_task_is_started_only_once() {
    let node = Node::new();
    let request = Request::script("exit 0");
    node.run(&request);
    assert!(matches!(node.start(&request), Err(StartError::Exists { .. })));
}

#[test]
fn removing_ends_what_runs_and_may_be_repeated() {
    let node = Node::new();
    let request = Request::command(&["sleep", "1000"]);
    node.start(&request).unwrap();
    node.runtime.remove(request.task).unwrap();
    node.wait_until_only(&[], request.task);
    node.runtime.remove(request.task).unwrap();
}

#[test]
fn twenty_containers_start_at_once_from_many_threads() {
    let node = Node::new();
    let codes: Vec<i32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..20)
            .map(|n| {
                let node = &node;
                scope.spawn(move || node.run(&Request::script(&format!("exit {n}"))).0)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(codes, (0..20).collect::<Vec<_>>());
}
