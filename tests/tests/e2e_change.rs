//! Change without loss, end to end: requests go on while services are updated, scaled and moved, and none
//! of them fails.

use anyhow::{Context, Result, ensure};
use std::{net::SocketAddr, path::PathBuf};
use tests::cluster::{Load, SOON, Tally, TestCluster, Waiter};

/// A published service of three tasks in a network, and a container in that network that asks it.
fn start(order: &str) -> Result<TestCluster> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_example("1")?;
    cluster.load_example("2")?;
    cluster.load_busybox()?;
    cluster.shoal(&["network", "create", "--ipv6", "front"])?;
    let web = ["--name", "web", "--replicas", "3", "--network", "front", "--publish", "8080:8080"];
    let update =
        ["--update-order", order, "--update-monitor", "100ms", "--update-parallelism", "1", "example:1"];
    cluster.shoal(&[&["service", "create", "-q"], &web[..], &update].concat())?;
    let here = ["--constraint", "node.hostname==m1", "test:1"];
    cluster.shoal(
        &[&["service", "create", "-q", "--name", "client", "--network", "front"], &here[..]].concat(),
    )?;
    Ok(cluster)
}

/// Requests from outside through every node, on both families, and from the container by the virtual
/// addresses.
fn load(cluster: &TestCluster) -> Result<[Load; 2]> {
    let nodes = cluster.names();
    let addrs = nodes.iter().map(|name| cluster.node(name));
    let outside: Vec<SocketAddr> =
        addrs.flat_map(|node| [(node.addr(), 8080).into(), (node.addr_v6(), 8080).into()]).collect();
    let client = cluster.container("client")?;
    let vips = client.resolve("web")?;
    ensure!(vips.len() == 2, "a virtual address of each family: {vips:?}");
    let vips: Vec<SocketAddr> =
        vips.iter().map(|vip| Ok(SocketAddr::new(vip.parse()?, 8080))).collect::<Result<_>>()?;
    let outside_of = cluster.node("m1").namespace();
    let inside: PathBuf = format!("/proc/{}/ns/net", client.pid).into();
    Ok([Load::start(outside_of, &outside), Load::start(inside, &vips)])
}

fn all_answered(load: [Load; 2]) -> Result<()> {
    for (load, from) in load.into_iter().zip(["outside", "the network"]) {
        let Tally { answered, failed } = load.end()?;
        ensure!(
            failed.is_empty(),
            "{} of {answered} from {from} failed: {:#?}",
            failed.len(),
            failed.iter().take(20)
        );
        ensure!(answered > 100, "only {answered} requests from {from}");
    }
    Ok(())
}

#[test]
fn an_update_that_starts_first_loses_no_request() -> Result<()> {
    let cluster = start("start-first")?;
    let load = load(&cluster)?;
    cluster.shoal(&["service", "update", "-q", "--image", "example:2", "web"])?;
    all_answered(load)?;
    // The last old task is told to go when the last new one runs.
    cluster.wait_until("the new version answers", SOON, || {
        Ok(cluster.http("w1", "m1", 8080)?.starts_with("shoal example 2"))
    })?;
    cluster.finish()
}

#[test]
fn an_update_that_stops_first_loses_no_request() -> Result<()> {
    let cluster = start("stop-first")?;
    let load = load(&cluster)?;
    cluster.shoal(&["service", "update", "-q", "--image", "example:2", "web"])?;
    all_answered(load)?;
    cluster.finish()
}

#[test]
fn scaling_down_and_up_loses_no_request() -> Result<()> {
    let cluster = start("stop-first")?;
    let load = load(&cluster)?;
    for count in ["1", "4", "2"] {
        cluster.shoal(&["service", "scale", &format!("web={count}")])?;
        // The client's is one more.
        let wanted = count.parse::<u32>()? + 1;
        cluster.wait_until("the others have ended", SOON, || {
            let counts = cluster.names().into_iter().map(|name| cluster.containers_running(&name));
            Ok(counts.sum::<Result<u32>>()? == wanted)
        })?;
    }
    all_answered(load)?;
    cluster.finish()
}

#[test]
fn draining_a_node_loses_no_request() -> Result<()> {
    let cluster = start("stop-first")?;
    let tasks = cluster.running("web")?;
    let (_, busy, _) = tasks.iter().find(|(_, node, _)| node != "m1").context("a worker has a task")?;
    let load = load(&cluster)?;
    cluster.shoal(&["node", "update", "--availability", "drain", busy])?;
    cluster.wait_until("the node is empty and the service whole", SOON, || {
        let tasks = cluster.running("web")?;
        Ok(tasks.len() == 3 && tasks.iter().all(|(_, node, _)| node != busy))
    })?;
    cluster.wait_until("its containers have ended", SOON, || Ok(cluster.containers_running(busy)? == 0))?;
    all_answered(load)?;
    cluster.finish()
}

#[test]
fn connections_that_are_kept_open_between_requests_hold_no_stop_up() -> Result<()> {
    let cluster = start("stop-first")?;
    // Much longer than the test waits.
    cluster.shoal(&["service", "update", "-q", "--stop-grace-period", "1h", "web"])?;
    let node = cluster.node("m1");
    let namespace = node.namespace();
    let connect = |_| Waiter::connect(&namespace, (node.addr(), 8080).into());
    // Each task has some.
    let _kept: Vec<Waiter> = (0..12).map(connect).collect::<Result<_>>()?;
    cluster.shoal(&["service", "scale", "web=1"])?;
    cluster.wait_until("the others have ended", SOON, || {
        let counts = cluster.names().into_iter().map(|name| cluster.containers_running(&name));
        // The client's is one more.
        Ok(counts.sum::<Result<u32>>()? == 2)
    })?;
    cluster.finish()
}
