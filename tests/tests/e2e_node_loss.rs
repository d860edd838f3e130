//! The loss of a node under load, end to end: only what its own tasks served fails, and only until the managers know;
//! clients that wait for them are reset, and datagrams find a task that lives.

use anyhow::{Context, Result, ensure};
use std::{
    cell::Cell,
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use tests::cluster::{Asker, Container, Echo, Load, SOON, Tally, TestCluster, Waiter, namespace_of};

/// The node that is lost.
const LOST: &str = "w2";

/// How many requests in a row have to be answered for a place to count as whole: more than there are tasks.
const ROW: usize = 9;

/// How many requests the load after the loss is made of at least.
const MANY: usize = 500;

/// From where what is asked.
type Place = (PathBuf, SocketAddr);

/// A published service with a task on every node in a network of both families, and a container there that asks it.
fn start() -> Result<TestCluster> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_example("1")?;
    cluster.load_busybox()?;
    cluster.shoal(&["swarm", "update", "--dispatcher-heartbeat", "1s"])?;
    cluster.shoal(&["network", "create", "--ipv6", "front"])?;
    let web = ["service", "create", "-q", "--name", "web", "--mode", "global", "--network", "front"];
    cluster
        .shoal(&[&web[..], &["--publish", "8080:8080", "--publish", "5353:53/udp", "example:1"]].concat())?;
    let client = ["service", "create", "-q", "--name", "client", "--network", "front"];
    cluster.shoal(&[&client[..], &["--constraint", "node.hostname==m1", "test:1"]].concat())?;
    Ok(cluster)
}

/// The service's containers by node.
fn containers(cluster: &TestCluster) -> Result<BTreeMap<String, Container>> {
    let tasks = cluster.running("web")?;
    let node_of = |task: &str| tasks.iter().find(|(_, _, id)| id == task).map(|(_, node, _)| node.clone());
    let all = cluster.containers("web")?.into_iter();
    all.map(|held| Ok((node_of(&held.task).context("a task without a node")?, held))).collect()
}

/// How a task names itself.
fn name(container: &Container) -> &str {
    &container.task[1..13]
}

/// Every way to a port: from outside through another node, from a node through itself, and by the virtual addresses.
fn places(cluster: &TestCluster, published: u16, target: u16) -> Result<Vec<Place>> {
    let outside = cluster.node("m1").namespace();
    let client = cluster.container("client")?;
    let inside = namespace_of(client.pid);
    let nodes = ["w1", "m1"].map(|node| cluster.node(node));
    let mut outer: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, published).into()];
    for node in nodes {
        outer.extend([SocketAddr::from((node.addr(), published)), (node.addr_v6(), published).into()]);
    }
    let vips = client.resolve("web")?;
    ensure!(vips.len() == 2, "a virtual address of each family: {vips:?}");
    let mut places: Vec<Place> = outer.into_iter().map(|addr| (outside.clone(), addr)).collect();
    for vip in vips {
        places.push((inside.clone(), SocketAddr::new(vip.parse()?, target)));
    }
    Ok(places)
}

/// For every place a client that waits for the lost task, and one that waits for another.
fn waiters(places: &[Place], lost: &str) -> Result<[Vec<Waiter>; 2]> {
    let (mut of_lost, mut of_others) = (Vec::new(), Vec::new());
    for (from, to) in places {
        let asked: Result<Vec<Waiter>> = (0..ROW).map(|_| Waiter::connect(from, *to)).collect();
        let (theirs, others): (Vec<_>, Vec<_>) =
            asked?.into_iter().partition(|waiter| waiter.answer.contains(lost));
        ensure!(!theirs.is_empty() && !others.is_empty(), "{to} leads to some tasks only");
        of_lost.extend(theirs);
        of_others.extend(others);
    }
    Ok([of_lost, of_others])
}

/// For every place a client whose datagrams the lost task answers.
fn askers(cluster: &TestCluster, places: &[Place], lost: &str) -> Result<Vec<Asker>> {
    let mut found = Vec::new();
    for (from, to) in places {
        let theirs = Cell::new(None);
        cluster.wait_until(&format!("a datagram to {to} finds the task"), SOON, || {
            // A port of its own each time.
            let asker = Asker::open(from, *to)?;
            let is_theirs = asker.ask()? == lost;
            theirs.set(is_theirs.then_some(asker));
            Ok(is_theirs)
        })?;
        found.extend(theirs.take());
    }
    ensure!(found.len() == places.len());
    Ok(found)
}

fn begin(places: &[Place]) -> Vec<Load> {
    let mut by_namespace: BTreeMap<PathBuf, Vec<SocketAddr>> = BTreeMap::new();
    for (from, to) in places {
        by_namespace.entry(from.clone()).or_default().push(*to);
    }
    by_namespace.into_iter().map(|(from, addrs)| Load::start(from, &addrs)).collect()
}

fn end(load: Vec<Load>) -> Result<Tally> {
    let mut all = Tally::default();
    for part in load {
        let Tally { answered, failed } = part.end()?;
        all.answered += answered;
        all.failed.extend(failed);
    }
    Ok(all)
}

/// Whether each of some requests is answered, at every place.
fn is_whole(places: &[Place]) -> Result<bool> {
    for (from, to) in places {
        for _ in 0..ROW {
            Waiter::connect(from, *to)?;
        }
    }
    Ok(true)
}

#[test]
fn a_node_without_power_costs_its_own_connections_which_are_reset_and_nothing_else() -> Result<()> {
    let cluster = start()?;
    let all = containers(&cluster)?;
    let lost = all.get(LOST).context("the node has a task")?;
    let places = places(&cluster, 8080, 8080)?;
    cluster.wait_until("every place answers", SOON, || is_whole(&places))?;
    let echoes: Vec<Echo> =
        all.values().map(|task| Echo::start(task, 53, name(task).to_owned())).collect::<Result<_>>()?;
    let askers = askers(&cluster, &self::places(&cluster, 5353, 53)?, name(lost))?;
    let [of_lost, of_others] = waiters(&places, name(lost))?;
    let load = begin(&places);

    cluster.on(cluster.node(LOST).power_off())?;
    cluster.wait_until("the managers know", SOON, || {
        let nodes = cluster.shoal(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"])?;
        Ok(nodes.lines().any(|line| line == format!("{LOST} Down")))
    })?;
    cluster.wait_until("every place answers again", SOON, || is_whole(&places))?;
    let Tally { answered, .. } = end(load)?;
    ensure!(answered > MANY, "only {answered} requests were answered meanwhile");

    let load = begin(&places);
    cluster.wait_until("many requests are answered", SOON, || {
        Ok(load.iter().map(Load::answered).sum::<usize>() > MANY)
    })?;
    let Tally { answered, failed } = end(load)?;
    let some: Vec<_> = failed.iter().take(10).collect();
    ensure!(failed.is_empty(), "{} of {answered} failed though the managers know: {some:#?}", failed.len());

    for waiter in of_lost {
        waiter.await_reset(SOON)?;
    }
    for mut waiter in of_others {
        waiter.ask().context("a connection to a task that lives was lost")?;
    }
    for asker in askers {
        cluster.wait_until("datagrams from the same port are answered by another task", SOON, || {
            Ok(asker.ask()? != name(lost))
        })?;
    }
    drop(echoes);

    cluster.on(cluster.node(LOST).start())?;
    cluster.wait_until("it takes part again", SOON, || {
        Ok(cluster.running("web")?.len() == all.len() && is_whole(&places)?)
    })?;
    cluster.finish()
}
