//! The link between the machine and the nodes. The machine is a namespace of the test's own.

use crate::home::Home;
use dev_cluster::{Cluster, Error, FormationError, UpOptions, up};
use nix::sched::{CloneFlags, unshare};
use std::{
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

/// Runs a test on a thread whose network namespace has nothing but loopback. Threads and programs it
/// starts are in the same one.
fn on_a_machine_of_its_own<F: Future<Output = ()>>(test: impl FnOnce(Home) -> F + Send + 'static) {
    let body = move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(Home::new()));
    };
    thread::spawn(body).join().unwrap();
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn linked(home: &Home) -> UpOptions {
    UpOptions { host_link: true, ..home.options() }
}

async fn half_up(home: &Home) -> Cluster {
    let error = up(linked(home), &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Formation(FormationError::Late { .. })), "{error}");
    Cluster::open(&home.roots()).unwrap().unwrap()
}

#[test]
fn the_machine_reaches_a_node_and_is_as_before_afterwards() {
    on_a_machine_of_its_own(async |home| {
        let state = || (run("ip", &["-o", "link"]), run("ip", &["route"]), run("nft", &["list", "ruleset"]));
        let before = state();
        let cluster = half_up(&home).await;
        let node = cluster.node("m1").unwrap();
        let listener = node.exec_in_netns(|| TcpListener::bind(("0.0.0.0", 0))).await.unwrap().unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((node.addr(), port)).unwrap();
        let rules = run("nft", &["list", "table", "ip", "shoal-dev-test"]);
        assert!(rules.contains("ip saddr 10.88.0.0/24 ip daddr != 10.88.0.0/24 masquerade"), "{rules}");
        // Again, with everything there.
        half_up(&home).await;
        home.down().await;
        assert_eq!(state(), before);
        assert_eq!(home.traces(), Vec::<String>::new());
    });
}

#[test]
fn a_network_that_the_machine_uses_is_not_chosen_and_refused_when_asked_for() {
    on_a_machine_of_its_own(async |home| {
        run("ip", &["addr", "add", "10.88.0.9/32", "dev", "lo"]);
        run("ip", &["route", "add", "10.88.1.0/25", "dev", "lo"]);
        let asked = UpOptions { subnet: Some("10.88.1.0/24".parse().unwrap()), ..linked(&home) };
        let error = up(asked, &|_| {}).await.unwrap_err().to_string();
        assert!(error.contains("already uses 10.88.1.0/25, which 10.88.1.0/24 overlaps"), "{error}");
        assert_eq!(half_up(&home).await.subnet().to_string(), "10.88.2.0/24");
    });
}

#[test]
fn a_link_of_somebody_else_is_left_alone() {
    on_a_machine_of_its_own(async |home| {
        run("ip", &["link", "add", "shoal-test", "type", "veth", "peer", "name", "other"]);
        let error = up(linked(&home), &|_| {}).await.unwrap_err().to_string();
        assert!(error.contains("has a link `shoal-test` that is not of this cluster"), "{error}");
        home.down().await;
        assert!(run("ip", &["-o", "link"]).contains("shoal-test"));
    });
}
