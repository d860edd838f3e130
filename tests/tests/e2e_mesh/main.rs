//! Published ports end to end: every node answers for them, wherever the tasks are, and tasks see who asks.

mod choices;
mod clients;

use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use tests::cluster::{SOON, TestCluster};

const WEB: [&str; 6] = ["service", "create", "-q", "--name", "web", "--publish"];

fn start(workers: u8) -> Result<TestCluster> {
    let cluster = TestCluster::start(1, workers)?;
    cluster.load_example("1")?;
    cluster.load_example("2")?;
    Ok(cluster)
}

/// What a node answers to a few requests, each of another one.
fn answers(cluster: &TestCluster, node: &str) -> Result<BTreeSet<String>> {
    let other = if node == "m1" { "w1" } else { "m1" };
    (0..6).map(|_| cluster.http(other, node, 8080)).collect()
}

#[test]
fn every_node_answers_for_a_published_port_and_follows_the_tasks() -> Result<()> {
    let cluster = start(2)?;
    cluster.shoal(&[&WEB[..], &["8080:8080", "--replicas", "2", "example:1"]].concat())?;
    let all_nodes_answer = |count: usize, start: &str| {
        cluster.wait_until("every node answers", SOON, || {
            for node in cluster.names() {
                let Ok(answers) = answers(&cluster, &node) else { return Ok(false) };
                if answers.len() != count || !answers.iter().all(|answer| answer.starts_with(start)) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    };
    all_nodes_answer(2, "shoal example 1")?;
    for (node, from) in [("w1", "w1"), ("w2", "w1")] {
        ensure!(cluster.http(from, node, 8080).is_ok(), "{from} asks {node}");
    }
    cluster.shoal(&["service", "scale", "web=1"])?;
    all_nodes_answer(1, "shoal example 1")?;
    cluster.shoal(&["service", "update", "-q", "--image", "example:2", "--replicas", "3", "web"])?;
    all_nodes_answer(3, "shoal example 2")?;

    let second = ["service", "create", "--name", "other", "--publish", "8080:80", "example:1"];
    let refused = cluster.refused(&second)?;
    ensure!(refused.contains("port 8080/tcp of every node is taken by service `web`"), "{refused}");

    cluster.shoal(&["service", "rm", "web"])?;
    cluster.wait_until("nobody answers any more", SOON, || {
        Ok(cluster.names().iter().all(|node| cluster.http("m1", node, 8080).is_err()))
    })?;
    cluster.finish()
}

#[test]
fn a_service_of_other_networks_publishes_too_and_keeps_its_names() -> Result<()> {
    let cluster = start(1)?;
    for network in [&["front"][..], &["--internal", "back"]] {
        cluster.shoal(&[&["network", "create"], network].concat())?;
        let name = network[network.len() - 1];
        let args = ["8080:8080", "--network", name, "--constraint", "node.hostname==w1", "example:1"];
        cluster.shoal(&[&WEB[..], &args].concat())?;
        cluster.wait_until("m1 answers", SOON, || Ok(cluster.http("w1", "m1", 8080).is_ok()))?;
        ensure!(cluster.container("web")?.http("http://web:8080/")?.starts_with("shoal example 1"));
        cluster.shoal(&["service", "rm", "web"])?;
        cluster.wait_until("the service is gone", SOON, || {
            Ok(!cluster.shoal(&["service", "ls"])?.contains("web"))
        })?;
    }
    cluster.finish()
}
