//! What survives a restart of the daemon, and what happens when a shim dies.

use crate::support::{Node, Request, shim, until, wait};
use nix::sys::signal::{Signal, kill};
use std::{fs, net::UdpSocket, os::fd::AsFd, path::Path};
use worker_runtime::{Found, Outcome, Running, Runtime};

fn is_running(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

#[test]
fn a_new_daemon_finds_the_container_and_learns_its_exit_code() {
    let node = Node::new();
    let fifo = tempfile::tempdir().unwrap();
    let gate = fifo.path().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut request = Request::script("read line < /gate/gate; exit $line");
    let source = worker_core::oci_spec::ResolvedSource::Path(fifo.path().into());
    let mount = worker_core::oci_spec::ResolvedMount { target: "/gate".into(), read_only: false, source };
    request.mounts = vec![mount];
    let pid = node.start(&request).unwrap().pid();

    let restarted = Runtime::open(node.config.clone()).unwrap();
    assert_eq!(restarted.list().unwrap(), [request.task]);
    let Some(Found::Running(found)) = restarted.find(request.task).unwrap() else { panic!("it runs") };
    assert_eq!(found.pid(), pid);
    fs::write(&gate, "5\n").unwrap();
    assert_eq!(wait(&found).outcome, Outcome::Exited { code: 5, oom_killed: false });
    // And once more, when there is only the record.
    let Some(Found::Exited(record)) = restarted.find(request.task).unwrap() else { panic!("it ended") };
    assert_eq!(record.outcome, Outcome::Exited { code: 5, oom_killed: false });
}

#[test]
fn a_socket_that_the_supervisor_holds_outlives_the_daemon_and_loses_nothing() {
    let node = Node::new();
    let request = Request::script("sleep 1000");
    let running = node.start(&request).unwrap();
    assert_eq!(running.held().unwrap().len(), 0);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    running.hold(&[socket.as_fd()]).unwrap();
    drop(socket);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"meanwhile", address).unwrap();

    let restarted = Runtime::open(node.config.clone()).unwrap();
    let Some(Found::Running(found)) = restarted.find(request.task).unwrap() else { panic!("it runs") };
    let mut held = found.held().unwrap();
    let socket = UdpSocket::from(held.pop().unwrap());
    assert_eq!((held.len(), socket.local_addr().unwrap()), (0, address));
    let mut inbox = [0; 64];
    let length = socket.recv(&mut inbox).unwrap();
    assert_eq!(&inbox[..length], b"meanwhile");
    drop(socket);
    assert_eq!(found.held().unwrap().len(), 1, "it holds on");
    found.hold(&[]).unwrap();
    UdpSocket::bind(address).expect("nobody holds it any more");
    found.kill().unwrap();
    wait(&found);
}

#[test]
fn a_container_that_nobody_knows_is_not_found() {
    let node = Node::new();
    assert!(node.runtime.find(Request::command(&["true"]).task).unwrap().is_none());
}

#[test]
fn a_container_without_its_shim_is_lost_and_cleaned_up() {
    let node = Node::new();
    let request = Request::script("sleep 1000 & sleep 1000");
    let running = node.start(&request).unwrap();
    kill(shim(&running), Signal::SIGKILL).unwrap();
    let Some(Found::Lost(record)) = node.runtime.find(request.task).unwrap() else { panic!("it is lost") };
    assert!(matches!(record.outcome, Outcome::SupervisorDied { .. }));
    assert!(record.error().unwrap().starts_with("its supervisor died"));
    assert!(!is_running(running.pid()));
    node.wait_until_only(&["folder"], request.task);
    // It stays what it was found to be.
    assert!(
        matches!(node.runtime.find(request.task).unwrap(), Some(Found::Exited(again)) if again == record)
    );
}

#[test]
fn whoever_waits_learns_that_the_shim_died() {
    let node = Node::new();
    let request = Request::command(&["sleep", "1000"]);
    let running = node.start(&request).unwrap();
    kill(shim(&running), Signal::SIGKILL).unwrap();
    assert!(matches!(wait(&running).outcome, Outcome::SupervisorDied { .. }));
    until("the end of the main process", || !is_running(running.pid()));
}

#[test]
fn an_interrupted_start_is_cleaned_up() {
    let node = Node::new();
    let request = Request::command(&["true"]);
    // The daemon was killed after it had made the folder.
    node.runtime.dir(request.task).create().unwrap();
    assert!(matches!(node.runtime.find(request.task).unwrap(), Some(Found::Lost(_))));
    node.runtime.remove(request.task).unwrap();
    assert!(!Path::new(node.runtime.dir(request.task).path()).exists());
}

#[test]
fn everything_of_a_node_can_be_ended_at_once() {
    let node = Node::new();
    let running: Vec<Running> =
        (0..3).map(|_| node.start(&Request::command(&["sleep", "1000"])).unwrap()).collect();
    node.runtime.remove_node_cgroups().unwrap();
    for one in &running {
        assert_eq!(wait(one).outcome, Outcome::Exited { code: 137, oom_killed: false });
    }
}
