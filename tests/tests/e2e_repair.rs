//! Self-repair end to end: links, rules and routes that something else deletes are back within seconds, requests are
//! answered again, and `network check` says what it sees.

use anyhow::{Result, ensure};
use serde_json::Value;
use std::time::Duration;
use tests::cluster::{Container, SOON, TestCluster};

/// How long a repair may take on a slow machine.
const REPAIR: Duration = Duration::from_secs(20);

fn start() -> Result<TestCluster> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    cluster.load_example("1")?;
    cluster.shoal(&["network", "create", "--subnet", "10.77.0.0/24", "front"])?;
    let web = ["service", "create", "-q", "--name", "web", "--network", "front", "--publish", "8080:8080"];
    cluster.shoal(&[&web[..], &["--constraint", "node.hostname==w2", "example:1"]].concat())?;
    let client = ["service", "create", "-q", "--name", "client", "--network", "front"];
    cluster.shoal(&[&client[..], &["--constraint", "node.hostname==w1", "test:1"]].concat())?;
    let from = cluster.container("client")?;
    cluster.wait_until("web answers", SOON, || Ok(answers(&cluster, &from)))?;
    Ok(cluster)
}

/// Whether the service answers in its network, at its published port on every node, and to a container that leaves its
/// node by its own network.
fn answers(cluster: &TestCluster, from: &Container) -> bool {
    let published = |node: &str| cluster.http("m1", node, 8080).is_ok();
    let outside = format!("http://{}:8080/", cluster.node("m1").addr());
    let is_reached = |url: &str| from.http(url).is_ok();
    ["http://web:8080/", &outside].into_iter().all(is_reached) && ["w1", "w2"].into_iter().all(published)
}

/// How often nodes have put something back.
fn repairs(cluster: &TestCluster) -> Result<u64> {
    let output = cluster.run("m1", &["network", "check", "--format", "json"])?;
    let mut count = 0;
    for line in String::from_utf8(output.stdout)?.lines() {
        let node: Value = serde_json::from_str(line)?;
        let networks = node["Networks"].as_array().into_iter().flatten();
        count += networks.filter_map(|network| network["Repairs"].as_u64()).sum::<u64>();
    }
    Ok(count)
}

#[test]
fn what_is_deleted_behind_a_nodes_back_is_put_back_and_requests_work_again() -> Result<()> {
    let cluster = start()?;
    let from = cluster.container("client")?;
    let network = cluster.shoal(&["network", "inspect", "--format", "{{.Id}}", "front"])?;
    let sandbox = format!("net-{}", network.trim());
    for (node, place, command) in [
        ("w1", sandbox.as_str(), "ip link delete vx0"),
        ("w2", &sandbox, "ip route flush table main"),
        ("w1", &sandbox, "nft flush ruleset"),
        ("w2", "host", "nft flush ruleset"),
        ("w1", "host", "for link in $(ls /sys/class/net | grep '^sh'); do ip link delete $link; done"),
        ("w1", "sandbox", "nft flush ruleset; ip route flush table main"),
        ("w1", "sandbox", "ip rule flush; ip link set up0 mtu 700"),
    ] {
        let before = repairs(&cluster)?;
        cluster.sh_on(node, place, command)?;
        cluster.wait_until(&format!("`{command}` on {node} is repaired"), REPAIR, || {
            Ok(repairs(&cluster)? > before && answers(&cluster, &from))
        })?;
    }
    cluster.wait_until("all is as it should be", REPAIR, || {
        Ok(cluster.shoal(&["network", "check"])?.contains("are as they should be on 3 nodes"))
    })?;
    let said = cluster.shoal(&["network", "check", "front"])?;
    ensure!(said.contains("node w1: network front: put back ") && said.contains(" ago"), "{said}");
    cluster.finish()
}

#[test]
fn a_check_names_the_nodes_that_cannot_be_asked() -> Result<()> {
    let cluster = start()?;
    cluster.on(cluster.node("w2").cut())?;
    cluster.wait_until("w2 is named", SOON, || {
        let output = cluster.run("m1", &["network", "check", "front"])?;
        let (told, said) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        let is_named = told.contains("node w2: not checked: ");
        Ok(output.status.code() == Some(1) && is_named && said.contains("1 node could not be asked"))
    })?;
    cluster.on(cluster.node("w2").heal())?;
    cluster.wait_until("all is as it should be", SOON, || {
        Ok(cluster.run("m1", &["network", "check"])?.status.success())
    })?;
    let refused = cluster.refused(&["network", "check", "none"])?;
    ensure!(refused.contains("none"), "{refused}");
    cluster.finish()
}
