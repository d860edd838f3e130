//! Faults end to end: daemons killed, nodes without power, everything restarted at once.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use tests::cluster::{SOON, TestCluster};

/// How long a lost node may take to be noticed and its tasks to be replaced.
const REPLACED: Duration = Duration::from_secs(60);

fn is_alive(pid: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
}

/// The name of the manager that leads, as another one sees it.
fn leader(cluster: &TestCluster, via: &str) -> Result<String> {
    let nodes = cluster.shoal_on(via, &["node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"])?;
    let line = nodes.lines().find(|line| line.ends_with(" Leader")).context("no leader")?;
    Ok(line.split(' ').next().context("no name")?.to_owned())
}

#[test]
fn a_leader_that_is_killed_is_replaced_and_no_task_is_touched() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    cluster.load_busybox()?;
    cluster.shoal(&["service", "create", "-q", "--name", "app", "--replicas", "6", "test:1"])?;
    let before = cluster.processes("m1", "app")?;
    ensure!(before.len() == 6);

    let old = leader(&cluster, "m1")?;
    let other = cluster.names().into_iter().find(|name| *name != old).context("another manager")?;
    cluster.on(cluster.node(&old).kill())?;
    // An election is a pause for those who ask, and no error.
    ensure!(leader(&cluster, &other)? != old, "{old} was killed and leads");
    cluster.shoal_on(
        &other,
        &[
            "service",
            "create",
            "-q",
            "--name",
            "second",
            "--constraint",
            &format!("node.hostname!={old}"),
            "test:1",
        ],
    )?;

    cluster.on(cluster.node(&old).start())?;
    cluster.wait_until("all three are ready again", SOON, || {
        let nodes =
            cluster.shoal_on(&other, &["node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}"])?;
        Ok(nodes.lines().filter(|line| *line == "Ready Leader" || *line == "Ready Reachable").count() == 3)
    })?;
    ensure!(before.values().all(|&pid| is_alive(pid)), "a container ended though only a daemon was killed");
    cluster.wait_until(
        "the service is whole",
        SOON,
        || Ok(cluster.running_via(&other, "app")?.len() == 6),
    )?;
    cluster.finish()
}

#[test]
fn the_containers_of_a_killed_worker_daemon_go_on_and_are_found_again() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let args =
        ["service", "create", "-q", "--name", "app", "--replicas", "3", "--constraint", "node.hostname==w1"];
    cluster.shoal(&[&args[..], &["test:1"]].concat())?;
    let before = cluster.processes("m1", "app")?;

    cluster.on(cluster.node("w1").kill())?;
    ensure!(before.values().all(|&pid| is_alive(pid)), "containers ended with the daemon");
    cluster.on(cluster.node("w1").start())?;
    cluster.wait_until("the same tasks run in the same processes", SOON, || {
        Ok(cluster.processes("m1", "app")? == before)
    })?;

    // One that ends while no daemon is there is noticed by the next one.
    cluster.on(cluster.node("w1").kill())?;
    let (victim, pid) = before.iter().next().context("a task")?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL)?;
    cluster.on(cluster.node("w1").start())?;
    cluster.wait_until("its end is reported with its exit code", SOON, || {
        let all = cluster.shoal(&["service", "ps", "--no-trunc", "app"])?;
        Ok(all.lines().any(|line| line.contains(victim.as_str()) && line.contains("137")))
    })?;
    cluster.finish()
}

#[test]
fn the_tasks_of_a_node_without_power_are_replaced_and_it_comes_back_clean() -> Result<()> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    let args =
        ["service", "create", "-q", "--name", "app", "--replicas", "4", "--constraint", "node.role==worker"];
    cluster.shoal(&[&args[..], &["test:1"]].concat())?;
    let lost: Vec<_> = cluster.running("app")?.into_iter().filter(|(_, node, _)| node == "w2").collect();
    ensure!(!lost.is_empty(), "some tasks are on w2");

    cluster.on(cluster.node("w2").power_off())?;
    cluster.wait_until("all four run on the other worker", REPLACED, || {
        let tasks = cluster.running("app")?;
        Ok(tasks.len() == 4 && tasks.iter().all(|(_, node, _)| node == "w1"))
    })?;
    ensure!(cluster.shoal(&["node", "ls"])?.lines().any(|line| line.contains("w2") && line.contains("Down")));

    cluster.on(cluster.node("w2").start())?;
    cluster.wait_until("it is ready and runs nothing of before", SOON, || {
        let nodes = cluster.shoal(&["node", "ls"])?;
        let ready = nodes.lines().any(|line| line.contains("w2") && line.contains("Ready"));
        Ok(ready && cluster.containers_running("w2")? == 0)
    })?;
    ensure!(cluster.running("app")?.len() == 4);
    cluster.finish()
}

#[test]
fn after_every_daemon_was_killed_at_once_nothing_is_lost() -> Result<()> {
    let cluster = TestCluster::start(3, 1)?;
    cluster.load_busybox()?;
    cluster.shoal(&[
        "service",
        "create",
        "-q",
        "--name",
        "app",
        "--replicas",
        "4",
        "--label",
        "kept=yes",
        "test:1",
    ])?;
    cluster.shoal(&["node", "update", "--label-add", "zone=a", "w1"])?;
    let before = cluster.processes("m1", "app")?;

    for name in cluster.names() {
        cluster.on(cluster.node(&name).kill())?;
    }
    for name in cluster.names() {
        cluster.on(cluster.node(&name).start())?;
    }
    cluster.wait_until("the service runs in the same processes", SOON, || {
        Ok(cluster.processes("m1", "app")? == before)
    })?;
    let service =
        cluster.shoal(&["service", "inspect", "--format", "{{index .Spec.Labels \"kept\"}}", "app"])?;
    ensure!(service.trim() == "yes", "service label: {service}");
    let node = cluster.shoal(&["node", "inspect", "--format", "{{index .Spec.Labels \"zone\"}}", "w1"])?;
    ensure!(node.trim() == "a", "node label: {node} {}", cluster.shoal(&["node", "inspect", "w1"])?);
    cluster.shoal(&["service", "scale", "app=5"])?;
    cluster.finish()
}

#[test]
fn without_a_majority_the_answer_says_so_and_tasks_go_on() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    cluster.load_busybox()?;
    cluster.shoal(&["service", "create", "-q", "--name", "app", "--replicas", "3", "test:1"])?;
    let before = cluster.processes("m1", "app")?;
    cluster.on(cluster.node("m2").kill())?;
    cluster.on(cluster.node("m3").kill())?;
    let said = cluster.refused(&["service", "scale", "-d", "app=5"])?;
    ensure!(said.contains("managers"), "{said}");
    ensure!(before.values().all(|&pid| is_alive(pid)));

    cluster.on(cluster.node("m2").start())?;
    cluster.wait_until("with a majority it works again", SOON, || {
        cluster.shoal(&["service", "scale", "-d", "app=5"])?;
        Ok(true)
    })?;
    cluster.finish()
}
