//! Running nodes that become managers and workers.

use super::{become_so, certificate, is_now, leader};
use anyhow::{Result, ensure};
use proto::model::Role;
use tests::cluster::{SOON, TestCluster};

#[test]
fn a_worker_that_is_promoted_answers_and_keeps_its_containers() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    cluster.shoal(&["service", "create", "-q", "--name", "app", "--replicas", "4", "test:1"])?;
    let before = cluster.processes("m1", "app")?;
    let first = certificate(&cluster, "w1")?;
    ensure!(first.role == Role::Worker && before.len() == 4);

    cluster.shoal(&["node", "promote", "w1"])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("w1", "Ready Reachable")])?;
    is_now(&cluster, "w1", Role::Manager)?;
    let second = certificate(&cluster, "w1")?;
    ensure!(second.node == first.node && second.cluster == first.cluster, "it became somebody else");
    ensure!(cluster.processes("w1", "app")? == before, "its containers were touched");
    cluster.shoal_on("w1", &["service", "update", "-d", "--label-add", "via=w1", "app"])?;
    ensure!(cluster.shoal_on("w1", &["node", "promote", "w1"])?.contains("is already a manager"));

    cluster.shoal(&["node", "demote", "w1"])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("w1", "Ready")])?;
    is_now(&cluster, "w1", Role::Worker)?;
    cluster.wait_until("what it knew as a manager is removed", SOON, || {
        Ok(!cluster.node("w1").data_dir().join("manager").exists())
    })?;
    let said = cluster.refused_on("w1", &["service", "ls"])?;
    ensure!(
        said.contains("this node is a worker") && said.contains(&cluster.node("m1").addr().to_string()),
        "{said}"
    );
    ensure!(cluster.processes("m1", "app")? == before, "its containers were touched");

    // It does its work as before, also after its daemon was started anew.
    cluster.on(cluster.node("w1").kill())?;
    cluster.on(cluster.node("w1").start())?;
    cluster.shoal(&[
        "service",
        "update",
        "-q",
        "--constraint-add",
        "node.hostname==w1",
        "--update-monitor",
        "0s",
        "app",
    ])?;
    cluster.wait_until("all tasks run on it", SOON, || {
        let tasks = cluster.running("app")?;
        Ok(tasks.len() == 4 && tasks.iter().all(|(_, node, _)| node == "w1"))
    })?;
    cluster.finish()
}

#[test]
fn a_cluster_shrinks_to_one_manager_and_grows_again() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    cluster.load_busybox()?;
    cluster.shoal(&["service", "create", "-q", "--name", "app", "--replicas", "3", "test:1"])?;
    let before = cluster.processes("m1", "app")?;
    let with = |workers: &[&str]| {
        let status = |name| (name, if workers.contains(&name) { "Ready" } else { "Ready Reachable" });
        ["m1", "m2", "m3"].map(status)
    };

    let mut workers = Vec::new();
    for _ in 0..2 {
        // The leader itself each time, asked for by another manager that stays one.
        let via = ["m1", "m2", "m3"].into_iter().find(|name| !workers.contains(name)).unwrap();
        let leads = leader(&cluster, via)?;
        let leads = ["m1", "m2", "m3"].into_iter().find(|name| *name == leads).unwrap();
        let stays =
            ["m1", "m2", "m3"].into_iter().find(|name| *name != leads && !workers.contains(name)).unwrap();
        cluster.shoal_on(stays, &["node", "demote", leads])?;
        workers.push(leads);
        become_so(&cluster, stays, &with(&workers))?;
        is_now(&cluster, leads, Role::Worker)?;
    }
    let last = ["m1", "m2", "m3"].into_iter().find(|name| !workers.contains(name)).unwrap();
    for args in [["node", "demote", last].as_slice(), &["swarm", "leave"]] {
        let said = cluster.refused_on(last, args)?;
        ensure!(
            said.contains(&format!("node {last} is the last manager: promote another node first")),
            "{said}"
        );
    }
    cluster.shoal_on(last, &["service", "scale", "app=4"])?;
    ensure!(
        before
            .iter()
            .all(|task| cluster.processes(last, "app").is_ok_and(|now| now.get(task.0) == Some(task.1)))
    );

    cluster.shoal_on(last, &["node", "promote", workers[0], workers[1]])?;
    become_so(&cluster, last, &with(&[]))?;
    for worker in &workers {
        is_now(&cluster, worker, Role::Manager)?;
    }
    // They are three indeed: the two carry on without the one that had everything.
    cluster.on(cluster.node(last).kill())?;
    cluster.wait_until("the other two answer", SOON, || {
        Ok(cluster.shoal_on(workers[0], &["service", "ls"])?.contains("app"))
    })?;
    cluster.shoal_on(workers[1], &["service", "update", "-d", "--label-add", "without=the-first", "app"])?;
    cluster.finish()
}

#[test]
fn a_manager_that_is_demoted_and_promoted_at_once_ends_as_a_manager() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    let all = [("m1", "Ready Reachable"), ("m2", "Ready Reachable"), ("m3", "Ready Reachable")];
    for _ in 0..3 {
        cluster.shoal(&["node", "demote", "m3"])?;
        cluster.shoal(&["node", "promote", "m3"])?;
    }
    become_so(&cluster, "m1", &all)?;
    is_now(&cluster, "m3", Role::Manager)?;
    // It votes: without m2 it is needed for every change.
    cluster.on(cluster.node("m2").kill())?;
    cluster.wait_until("the two agree on a change", SOON, || {
        cluster.shoal_on("m3", &["node", "update", "--label-add", "agreed=yes", "m1"])?;
        Ok(true)
    })?;
    cluster.finish()
}

#[test]
fn a_manager_that_was_demoted_while_it_was_away_comes_back_as_a_worker() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    cluster.on(cluster.node("m3").cut())?;
    cluster.wait_until("m3 is missed", SOON, || {
        cluster.shoal(&["node", "demote", "m3"])?;
        Ok(true)
    })?;
    cluster.on(cluster.node("m3").heal())?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("m2", "Ready Reachable"), ("m3", "Ready")])?;
    is_now(&cluster, "m3", Role::Worker)?;
    cluster.finish()
}
