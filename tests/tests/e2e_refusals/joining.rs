//! Joins that are refused, and nodes that are asked for what they are not.

use super::{made, refused, refused_on, says};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    time::Instant,
};
use tests::cluster::{SOON, TestCluster};

/// A cluster of one manager, and a node beside it that is in no cluster.
fn manager_and_outsider() -> Result<TestCluster> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.shoal_on("w1", &["swarm", "leave"])?;
    cluster.shoal(&["node", "rm", "w1"])?;
    Ok(cluster)
}

fn token(cluster: &TestCluster, role: &str) -> Result<String> {
    Ok(cluster.shoal(&["swarm", "join-token", "-q", role])?.trim().to_owned())
}

/// Nothing of a cluster is kept on the node, and no cluster knows of it.
fn is_outside(cluster: &TestCluster, before: &str) -> Result<()> {
    let state = cluster.shoal_on("w1", &["system", "info", "--format", "{{.Swarm.LocalNodeState}}"])?;
    ensure!(state.trim() == "inactive", "{state}");
    for left in ["identity", "manager"] {
        ensure!(!cluster.node("w1").data_dir().join(left).exists(), "`{left}` was left behind");
    }
    let now = made(cluster)?;
    ensure!(now == before, "the cluster has changed from {before} to {now}");
    Ok(())
}

#[test]
fn a_node_whose_token_is_not_right_stays_outside() -> Result<()> {
    let (cluster, other) = (manager_and_outsider()?, TestCluster::start(1, 0)?);
    let before = made(&cluster)?;
    let addr = format!("{}:2377", cluster.node("m1").addr());
    let worker = token(&cluster, "worker")?;
    let (digest, secret) = worker.rsplit_once('-').context("a token")?;
    let guessed = format!("{digest}-{}", secret.chars().rev().collect::<String>());
    let cut = &worker[..worker.len() - 1];
    let of_other = token(&other, "worker")?;

    let join = |token: &str, words: &[&str]| {
        refused_on(&cluster, "w1", &["swarm", "join", "--token", token, &addr], words)
    };
    join(&guessed, &["the join token is not valid", "shoal swarm join-token"])?;
    join(cut, &["this is not a join token", "shoal swarm join-token"])?;
    join("letmein", &["this is not a join token", "SHLTKN-1-"])?;
    join(&of_other, &["belongs to another cluster than the join token", &addr])?;
    is_outside(&cluster, &before)?;

    let rotated = cluster.shoal(&["swarm", "join-token", "--rotate", "-q", "worker"])?;
    join(&worker, &["the join token is not valid (any more)", "rotated"])?;
    is_outside(&cluster, &before)?;
    cluster.shoal_on("w1", &["swarm", "join", "--token", rotated.trim(), &addr])?;
    other.finish()?;
    cluster.finish()
}

#[test]
fn a_node_that_reaches_no_manager_gives_up_and_stays_outside() -> Result<()> {
    let cluster = manager_and_outsider()?;
    let before = made(&cluster)?;
    let worker = token(&cluster, "worker")?;
    // Connections are taken by the kernel, and nobody ever answers.
    let silent = cluster.on(cluster.node("m1").exec_in_netns(|| TcpListener::bind("0.0.0.0:4000")))??;
    let manager = cluster.node("m1").addr();
    let join = |addr: SocketAddr, words: &[&str]| -> Result<()> {
        let begin = Instant::now();
        let addr = addr.to_string();
        refused_on(
            &cluster,
            "w1",
            &["swarm", "join", "--token", &worker, &addr],
            &[&[&*addr, "can't be reached"], words].concat(),
        )?;
        ensure!(begin.elapsed() < SOON, "{addr}: given up only after {:?}", begin.elapsed());
        is_outside(&cluster, &before)
    };
    join((manager, 2378).into(), &["refused", "check the address", "firewall"])?;
    join((manager, 4000).into(), &["nobody answers", "check the address"])?;
    let nobody = manager.octets();
    join(([nobody[0], nobody[1], nobody[2], 200], 2377).into(), &["check the address"])?;
    drop(silent);

    let wrong = [
        "swarm",
        "join",
        "--token",
        "x",
        "--advertise-addr",
        "nosuchlink0",
        "--listen-addr",
        "1.2.3.4:0",
        "no-port",
    ];
    let all = [
        "--token: this is not a join token",
        "`no-port` is not an address",
        "--advertise-addr",
        "--listen-addr",
    ];
    refused_on(&cluster, "w1", &wrong, &all)?;
    let init = ["swarm", "init", "--cert-expiry", "5m", "--advertise-addr", "nosuchlink0"];
    refused_on(&cluster, "w1", &init, &["must be at least 3600s", "--advertise-addr: `nosuchlink0`"])?;
    is_outside(&cluster, &before)?;
    cluster.finish()
}

#[test]
fn a_manager_that_can_not_listen_leaves_no_trace_in_the_cluster() -> Result<()> {
    let cluster = manager_and_outsider()?;
    let before = made(&cluster)?;
    let taken = cluster.on(cluster.node("w1").exec_in_netns(|| TcpListener::bind("0.0.0.0:2377")))??;
    let manager = token(&cluster, "manager")?;
    let addr = format!("{}:2377", cluster.node("m1").addr());
    let join = ["swarm", "join", "--token", &manager, &addr];
    let words = ["can't listen on 0.0.0.0:2377", "another program uses this port", "--listen-addr"];
    refused_on(&cluster, "w1", &join, &words)?;
    is_outside(&cluster, &before)?;
    refused_on(&cluster, "w1", &["swarm", "init"], &words)?;
    is_outside(&cluster, &before)?;
    drop(taken);
    cluster.shoal_on("w1", &join)?;
    cluster.finish()
}

#[test]
fn a_node_that_is_asked_for_what_it_is_not_says_what_it_is() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    let before = made(&cluster)?;
    let worker = token(&cluster, "worker")?;
    let addr = format!("{}:2377", cluster.node("m1").addr());
    for node in ["m1", "w1"] {
        let words = ["already part of a cluster", "shoal swarm leave"];
        refused_on(&cluster, node, &["swarm", "init"], &words)?;
        refused_on(&cluster, node, &["swarm", "join", "--token", &worker, &addr], &words)?;
    }
    let of_clusters: [&[&str]; 4] = [
        &["node", "ls"],
        &["service", "create", "test:1"],
        &["swarm", "join-token", "worker"],
        &["swarm", "update", "--cert-expiry", "2h"],
    ];
    for args in of_clusters {
        refused_on(&cluster, "w1", args, &["this node is a worker: run this on a manager", &addr])?;
    }
    refused(&cluster, &["swarm", "leave"], &["node m1 is the last manager", "--force"])?;
    ensure!(made(&cluster)? == before, "something was changed");

    cluster.shoal_on("w1", &["swarm", "leave"])?;
    for args in of_clusters {
        refused_on(
            &cluster,
            "w1",
            args,
            &["this node is in no cluster", "shoal swarm init", "shoal swarm join"],
        )?;
    }
    refused_on(
        &cluster,
        "w1",
        &["swarm", "leave", "--force"],
        &["not part of a cluster", "shoal swarm init"],
    )?;

    // What it kept of a cluster is damaged: it says which file, and how to begin anew.
    cluster.on(cluster.node("w1").kill())?;
    let identity = cluster.node("w1").data_dir().join("identity");
    fs::create_dir_all(&identity)?;
    fs::write(identity.join("membership.json"), "{")?;
    cluster.on(cluster.node("w1").start())?;
    cluster.wait_until("it says what is wrong", SOON, || {
        says(&cluster.refused_on("w1", &["node", "ls"])?, &["membership.json", "leave --force"])?;
        Ok(true)
    })?;
    cluster.shoal_on("w1", &["swarm", "leave", "--force"])?;
    ensure!(!identity.exists());
    cluster.finish()
}
