//! A real look, in a network namespace of the test's own.

use preflight::{Check, Options, State};
use std::{
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};
use tokio::runtime::{Builder, Runtime};
use worker_network::Namespace;

const RULES: &str = "table inet mine { chain closed { type filter hook forward priority 0; policy drop; }; chain in { type filter hook input priority 0; policy drop; }; }\n";

/// The kind of runtime that a command has.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Does something on a thread in a fresh namespace.
fn in_namespace<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = runtime().block_on(async { Namespace::temporary().await?.run(work).await });
    done.expect("work in a namespace")
}

fn look(data_dir: &Path, listen_addr: &str) -> Vec<Check> {
    let listen_addr = listen_addr.parse().expect("an address with a port");
    let options = Options { data_dir: data_dir.to_owned(), listen_addr, nft_program: "nft".into() };
    runtime().block_on(preflight::run(&options))
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name} in {checks:#?}"))
}

#[test]
fn an_empty_namespace_lacks_nothing_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("not/there/yet");
    let checks = in_namespace(move || look(&data_dir, "0.0.0.0:2377"));
    assert_eq!(preflight::unfit(&checks), None, "{}", preflight::table(&checks));
    for name in ["root", "kernel", "overlayfs", "vxlan", "nft", "port 2377/tcp", "fsync", "other firewalls"] {
        assert_eq!(find(&checks, name).state, State::Ok, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_taken_port_and_a_firewall_that_drops_are_told_with_their_owners() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_owned();
    let (checks, port) = in_namespace(move || {
        let taken = TcpListener::bind("0.0.0.0:0").unwrap();
        let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin.take().unwrap().write_all(RULES.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success());
        let port = taken.local_addr().unwrap().port();
        (look(&data_dir, &format!("0.0.0.0:{port}")), port)
    });
    let taken = find(&checks, &format!("port {port}/tcp"));
    let me = format!("(process {}) at 0.0.0.0:{port}", std::process::id());
    assert!(taken.state == State::Missing && taken.found.contains(&me), "{taken:?}");
    let firewall = find(&checks, "other firewalls");
    assert!(firewall.state == State::Warning && firewall.found.contains("table inet mine"), "{firewall:?}");
    let for_nodes = checks.iter().find(|check| check.found.contains("chain in in table inet mine"));
    assert!(for_nodes.is_some_and(|check| check.remedy.contains("udp dport 4789")), "{checks:#?}");
    assert_eq!(preflight::unfit(&checks).unwrap().names, [format!("port {port}/tcp")]);
}

#[test]
fn an_address_that_this_machine_does_not_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_owned();
    let checks = in_namespace(move || {
        // Before it has any address at all, a namespace lets programs bind to every one.
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        look(&data_dir, "192.0.2.7:2377")
    });
    assert_eq!(find(&checks, "listen address").state, State::Missing);
}
