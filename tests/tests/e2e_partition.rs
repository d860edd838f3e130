//! Nodes that are cut off or away while the cluster changes, end to end: they go on serving their own clients, and
//! afterwards every service is answered for by its own tasks, through every node, and no address is there twice.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{collections::BTreeSet, net::SocketAddr};
use tests::cluster::{Container, SOON, TestCluster, Waiter, answerers, namespace_of};

/// Published by `web`, whose tasks are asked by their own node first.
const WEB: u16 = 8080;

/// Published by `old`, and later by `new`.
const REUSED: u16 = 8090;

/// How many requests have to be answered on the side that is cut off.
const SOME: usize = 20;

/// A service of the example on every node, and more arguments.
fn serve(cluster: &TestCluster, via: &str, name: &str, args: &[&str]) -> Result<String> {
    let create = ["service", "create", "-d", "-q", "--name", name, "--mode", "global", "--network", "front"];
    cluster.shoal_on(via, &[&create[..], args, &["example:1"]].concat())
}

/// Services on every node in a network of both families: `web`, and `client`, whose containers ask.
fn start(managers: u8, workers: u8) -> Result<TestCluster> {
    let cluster = TestCluster::start(managers, workers)?;
    cluster.load_example("1")?;
    cluster.load_busybox()?;
    cluster.shoal(&["swarm", "update", "--dispatcher-heartbeat", "1s"])?;
    // Few addresses, so that they are soon used again.
    cluster.shoal(&["network", "create", "--ipv6", "--subnet", "10.77.0.0/25", "front"])?;
    serve(&cluster, "m1", "web", &["--publish", "published=8080,target=8080,traffic=local-first"])?;
    let client = ["service", "create", "-q", "--name", "client", "--mode", "global", "--network", "front"];
    cluster.shoal(&[&client[..], &["test:1"]].concat())?;
    Ok(cluster)
}

/// Makes a service that has no task on a node, which knows of it all the same; returns its virtual IPv4 address.
fn serve_elsewhere(cluster: &TestCluster, via: &str, node: &str) -> Result<String> {
    let elsewhere = format!("node.hostname!={node}");
    serve(cluster, via, "old", &["--publish", "8090:8080", "--constraint", &elsewhere])?;
    cluster.wait_until("all is reached", SOON, || {
        let is_whole = cluster.running_via(via, "old")?.len() == cluster.names().len() - 1;
        cluster.check_reach(via, "web", None, "client")?;
        cluster.check_reach(via, "old", Some(REUSED), "client").map(|()| is_whole)
    })?;
    cluster.check_addresses()?;
    let vips = virtual_addresses(cluster, via, "old")?;
    vips.into_iter().find(|vip| vip.contains('.')).context("it has an IPv4 address")
}

/// Replaces `old` by `new`, which publishes the same port and gets addresses that `old` had.
fn replace(cluster: &TestCluster, via: &str, old_vip: &str) -> Result<()> {
    cluster.shoal_on(via, &["service", "rm", "old"])?;
    cluster.wait_until("a service has the old virtual address", SOON, || {
        serve(cluster, via, "new", &["--publish", "8090:8080"])?;
        cluster.wait_until("it has one", SOON, || Ok(!virtual_addresses(cluster, via, "new")?.is_empty()))?;
        let is_reused = virtual_addresses(cluster, via, "new")?.iter().any(|vip| vip == old_vip);
        if !is_reused {
            cluster.shoal_on(via, &["service", "rm", "new"])?;
        }
        Ok(is_reused)
    })
}

/// The virtual addresses that the managers gave a service.
fn virtual_addresses(cluster: &TestCluster, via: &str, service: &str) -> Result<Vec<String>> {
    let shown: Value = serde_json::from_str(&cluster.shoal_on(via, &["service", "inspect", service])?)?;
    let vips = shown[0]["Endpoint"]["VirtualIPs"].as_array().cloned().unwrap_or_default();
    let vips = vips.iter().filter_map(|vip| vip["Addr"].as_str()?.split('/').next());
    Ok(vips.map(str::to_owned).collect())
}

/// The container of a service on a node.
fn on_node(cluster: &TestCluster, via: &str, service: &str, node: &str) -> Result<Container> {
    let tasks = cluster.running_via(via, service)?;
    let (_, _, id) = tasks.iter().find(|(_, on, _)| on == node).context("no task there")?;
    let all = cluster.containers_via(via, service)?;
    all.into_iter().find(|container| container.task == *id).context("no container there")
}

fn state_of(cluster: &TestCluster, via: &str, node: &str) -> Result<String> {
    let nodes = cluster.shoal_on(via, &["node", "ls", "--format", "{{.Hostname}} {{.Status}}"])?;
    let line = nodes.lines().find_map(|line| line.strip_prefix(&format!("{node} ")).map(str::to_owned));
    line.context("the node is not listed")
}

/// Waits until all nodes agree on what is, and checks it.
fn converge(cluster: &TestCluster, via: &str, node: &str) -> Result<()> {
    let count = cluster.names().len();
    cluster.wait_until(&format!("{node} takes part again"), SOON, || {
        let is_whole = |service: &&str| Ok(cluster.running_via(via, service)?.len() == count);
        let wholes: Result<Vec<bool>> = ["web", "new", "client"].iter().map(is_whole).collect();
        Ok(state_of(cluster, via, node)? == "Ready" && wholes?.into_iter().all(|whole| whole))
    })?;
    cluster.wait_until("every service is reached by its own tasks", SOON, || {
        cluster.check_reach(via, "web", None, "client")?;
        cluster.check_reach(via, "new", Some(REUSED), "client").map(|()| true)
    })?;
    cluster.check_addresses()?;
    for client in cluster.containers_via(via, "client")? {
        ensure!(client.resolve("old").is_err(), "a name of before is known on task {}", client.task);
    }
    cluster.wait_until("the nodes have what they should have", SOON, || {
        Ok(cluster.run(via, &["network", "check"])?.status.success())
    })
}

/// Cuts a node off, changes the cluster meanwhile, and heals it.
fn cut_off(cluster: &TestCluster, via: &str, node: &str) -> Result<()> {
    let own_web = on_node(cluster, via, "web", node)?;
    let own: BTreeSet<String> = [own_web.task[1..13].to_owned()].into();
    let old_vip = serve_elsewhere(cluster, via, node)?;
    let client = on_node(cluster, via, "client", node)?;
    let addresses = [cluster.node(node).addr().into(), cluster.node(node).addr_v6().into()];
    let published = addresses.map(|address| SocketAddr::new(address, WEB));

    cluster.on(cluster.node(node).cut())?;
    let serves_itself = || {
        for to in published {
            for _ in 0..SOME {
                ensure!(answerers(&cluster.node(node).namespace(), to, &own)? == own);
            }
        }
        // By its name, and from its own network.
        let task = client.resolve("tasks.web")?;
        ensure!(task.len() == 2 * cluster.names().len(), "names are known as before: {task:?}");
        let address =
            own_web.sh("ip -oneline -4 address show eth1 | awk '{ sub(\"/.*\", \"\", $4); print $4 }'")?;
        Waiter::connect(&namespace_of(client.pid), SocketAddr::new(address.parse()?, 8080))?;
        Ok(())
    };
    serves_itself().context("before the managers know")?;
    cluster.wait_until("the others know", SOON, || Ok(state_of(cluster, via, node)? == "Down"))?;
    replace(cluster, via, &old_vip)?;
    cluster.wait_until("the others have changed", SOON, || {
        Ok(cluster.running_via(via, "new")?.len() == cluster.names().len() - 1)
    })?;
    cluster.check_addresses()?;
    serves_itself().context("after the others have changed")?;
    cluster.on(cluster.node(node).heal())?;
    converge(cluster, via, node)
}

#[test]
fn a_worker_that_is_cut_off_serves_its_own_clients_and_learns_of_the_changes_when_healed() -> Result<()> {
    let cluster = start(1, 2)?;
    cut_off(&cluster, "m1", "w2")?;
    cluster.finish()
}

#[test]
fn a_leader_that_is_cut_off_serves_its_own_clients_and_learns_of_the_changes_when_healed() -> Result<()> {
    let cluster = start(3, 0)?;
    let nodes = cluster.shoal(&["node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"])?;
    let leader = nodes.lines().find_map(|line| line.strip_suffix(" Leader")).context("no leader")?;
    let other = cluster.names().into_iter().find(|name| name != leader).context("another manager")?;
    cut_off(&cluster, &other, leader)?;
    cluster.finish()
}

#[test]
fn a_node_that_was_away_while_others_got_the_addresses_it_knew_comes_back_without_confusion() -> Result<()> {
    let cluster = start(1, 2)?;
    let old_vip = serve_elsewhere(&cluster, "m1", "w2")?;
    cluster.on(cluster.node("w2").kill())?;
    cluster.wait_until("the managers know", SOON, || Ok(state_of(&cluster, "m1", "w2")? == "Down"))?;
    replace(&cluster, "m1", &old_vip)?;
    cluster.wait_until("the others have changed", SOON, || Ok(cluster.running("new")?.len() == 2))?;
    // The containers of before run on without a daemon.
    cluster.check_addresses()?;
    cluster.on(cluster.node("w2").start())?;
    converge(&cluster, "m1", "w2")?;
    cluster.finish()
}
