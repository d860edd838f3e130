//! Networks end to end: containers on different nodes reach each other by name, through virtual
//! addresses that follow the tasks, and nobody else does.

use anyhow::{Result, ensure};
use std::{collections::BTreeSet, thread};
use tests::cluster::{SOON, TestCluster};

/// A service of the example's web server, which says on which task it answers.
fn web(cluster: &TestCluster, args: &[&str]) -> Result<String> {
    cluster.shoal(&[&["service", "create", "-q"], args, &["example:1"]].concat())
}

/// A service whose container is looked out of.
fn client(cluster: &TestCluster, name: &str, args: &[&str]) -> Result<String> {
    cluster.shoal(&[&["service", "create", "-q", "--name", name], args, &["test:1"]].concat())
}

fn start(managers: u8, workers: u8) -> Result<TestCluster> {
    let cluster = TestCluster::start(managers, workers)?;
    cluster.load_busybox()?;
    cluster.load_example("1")?;
    Ok(cluster)
}

#[test]
fn a_service_is_reached_by_its_name_on_every_node_and_balanced_over_its_tasks() -> Result<()> {
    let cluster = start(1, 2)?;
    cluster.shoal(&["network", "create", "--subnet", "10.77.0.0/24", "--ipv6", "front"])?;
    web(&cluster, &["--name", "web", "--replicas", "3", "--network", "name=front,alias=www"])?;
    client(&cluster, "here", &["--network", "front", "--constraint", "node.hostname==w1"])?;
    let from = cluster.container("here")?;

    let vip = from.resolve("web")?;
    ensure!(vip.iter().filter(|address| address.starts_with("10.77.0.")).count() == 1, "{vip:?}");
    ensure!(vip.iter().filter(|address| address.contains(':')).count() == 1, "{vip:?}");
    ensure!(from.resolve("www")? == vip && from.resolve("web.front")? == vip);
    let tasks = from.resolve("tasks.web")?;
    ensure!(tasks.len() == 6 && tasks.iter().all(|task| !vip.contains(task)), "{tasks:?}");

    let expected: BTreeSet<String> =
        cluster.containers("web")?.into_iter().map(|container| container.task[1..13].to_owned()).collect();
    for url in ["http://web:8080/".to_owned(), format!("http://[{}]:8080/", vip[1])] {
        let mut answered = BTreeSet::new();
        for _ in 0..24 {
            let answer = from.http(&url)?;
            answered.insert(answer.rsplit(' ').next().unwrap_or_default().to_owned());
        }
        ensure!(answered == expected, "{url}: {answered:?} instead of {expected:?}");
    }
    cluster.finish()
}

#[test]
fn a_virtual_address_follows_the_tasks_and_goes_with_the_service() -> Result<()> {
    let cluster = start(1, 2)?;
    cluster.shoal(&["network", "create", "front"])?;
    web(&cluster, &["--name", "web", "--replicas", "2", "--network", "front"])?;
    client(&cluster, "here", &["--network", "front", "--constraint", "node.hostname==w2"])?;
    let from = cluster.container("here")?;
    let vip = from.resolve("web")?;

    cluster.shoal(&["service", "scale", "web=1"])?;
    let left = cluster.container("web")?.task[1..13].to_owned();
    cluster.wait_until("only the task that is left answers", SOON, || {
        let answers: Result<Vec<String>> = (0..6).map(|_| from.http("http://web:8080/")).collect();
        Ok(answers?.iter().all(|answer| answer.ends_with(&left)))
    })?;
    ensure!(from.resolve("web")? == vip, "the address of a service stays");

    let in_use = cluster.refused(&["network", "rm", "front"])?;
    ensure!(in_use.contains("web") && in_use.contains("here"), "{in_use}");
    cluster.shoal(&["service", "rm", "web"])?;
    cluster.wait_until("the name is gone", SOON, || Ok(from.resolve("web").is_err()))?;
    cluster.shoal(&["service", "rm", "here"])?;
    cluster.wait_until("the network can be removed", SOON, || {
        Ok(cluster.shoal(&["network", "rm", "front"]).is_ok())
    })?;
    cluster.finish()
}

#[test]
fn networks_do_not_see_each_other() -> Result<()> {
    let cluster = start(1, 1)?;
    for network in ["front", "back"] {
        cluster.shoal(&["network", "create", network])?;
    }
    web(&cluster, &["--name", "web", "--network", "front", "--constraint", "node.hostname==w1"])?;
    client(&cluster, "inside", &["--network", "front", "--constraint", "node.hostname==m1"])?;
    client(&cluster, "outside", &["--network", "back", "--constraint", "node.hostname==w1"])?;
    client(
        &cluster,
        "both",
        &["--network", "back", "--network", "front", "--constraint", "node.hostname==m1"],
    )?;
    let (inside, outside) = (cluster.container("inside")?, cluster.container("outside")?);
    let task = inside.resolve("tasks.web")?.remove(0);
    let url = format!("http://{task}:8080/");
    ensure!(inside.http(&url)?.starts_with("shoal example 1"));
    ensure!(cluster.container("both")?.http("http://web:8080/")?.starts_with("shoal example 1"));
    ensure!(outside.resolve("outside").is_ok(), "the names of its own network are not known");
    ensure!(outside.resolve("web").is_err(), "a name of another network is known");
    ensure!(outside.http(&url).is_err(), "an address of another network is reached");
    cluster.finish()
}

#[test]
fn a_service_is_reached_while_no_daemon_runs_and_after_they_are_back() -> Result<()> {
    let cluster = start(1, 1)?;
    cluster.shoal(&["network", "create", "front"])?;
    web(&cluster, &["--name", "web", "--network", "front", "--constraint", "node.hostname==w1"])?;
    client(&cluster, "here", &["--network", "front", "--constraint", "node.hostname==m1"])?;
    let from = cluster.container("here")?;
    let before = cluster.container("web")?.pid;
    let url = format!("http://{}:8080/", from.resolve("web")?.remove(0));
    ensure!(from.http(&url).is_ok());
    for node in ["w1", "m1"] {
        cluster.on(cluster.node(node).kill())?;
    }
    ensure!(from.http(&url).is_ok(), "the address does not answer while no daemon runs");
    // A query waits in the socket that the container's supervisor holds.
    let asking = from.clone();
    let name = thread::spawn(move || asking.sh("RES_OPTIONS='timeout:30 attempts:1' getent ahostsv4 web"));
    cluster.wait_until("the name is asked for", SOON, || {
        Ok(!from.sh("awk '$5 ~ /:.*[1-9A-F]/' /proc/net/udp")?.is_empty())
    })?;
    for node in ["m1", "w1"] {
        cluster.on(cluster.node(node).start())?;
    }
    let answered = name.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
    ensure!(url.contains(answered.split(' ').next().unwrap_or("none")), "{answered} instead of {url}");
    cluster.wait_until("the service is as it was", SOON, || Ok(cluster.running("web")?.len() == 1))?;
    ensure!(from.http(&url).is_ok(), "the address does not answer after the restart");
    cluster.wait_until("the name is answered again", SOON, || Ok(from.http("http://web:8080/").is_ok()))?;
    ensure!(cluster.container("web")?.pid == before, "the container was made anew");
    cluster.finish()
}

#[test]
fn a_node_that_starts_while_all_managers_are_away_knows_the_names_it_knew() -> Result<()> {
    let cluster = start(1, 1)?;
    let here = ["--network", "front", "--constraint", "node.hostname==w1"];
    cluster.shoal(&["network", "create", "--ipv6", "front"])?;
    web(&cluster, &[&["--name", "web", "--replicas", "2"], &here[..]].concat())?;
    client(&cluster, "here", &here)?;
    let from = cluster.container("here")?;
    let known = (from.resolve("web")?, from.resolve("tasks.web")?);
    ensure!(known.1.len() == 4, "{known:?}");
    cluster.on(cluster.node("m1").kill())?;
    cluster.on(cluster.node("w1").kill())?;
    cluster.on(cluster.node("w1").start())?;
    cluster.wait_until("names are answered again", SOON, || {
        Ok((from.resolve("web")?, from.resolve("tasks.web")?) == known)
    })?;
    ensure!(from.http("http://web:8080/")?.starts_with("shoal example 1"));
    ensure!(from.http(&format!("http://{}:8080/", known.1[0]))?.starts_with("shoal example 1"));
    cluster.on(cluster.node("m1").start())?;
    cluster.wait_until("all is as it was", SOON, || {
        Ok(cluster.running("web")?.len() == 2 && cluster.container("here")?.pid == from.pid)
    })?;
    ensure!((from.resolve("web")?, from.resolve("tasks.web")?) == known);
    cluster.shoal(&["service", "scale", "web=1"])?;
    cluster.wait_until("what is new is known", SOON, || Ok(from.resolve("tasks.web")?.len() == 2))?;
    cluster.finish()
}

#[test]
fn a_network_that_is_removed_can_be_made_again_with_the_same_name_and_subnet() -> Result<()> {
    let cluster = start(1, 1)?;
    for _ in 0..2 {
        cluster.shoal(&["network", "create", "--subnet", "10.78.0.0/24", "--internal", "front"])?;
        web(&cluster, &["--name", "web", "--network", "front", "--constraint", "node.hostname==w1"])?;
        client(&cluster, "here", &["--network", "front", "--constraint", "node.hostname==m1"])?;
        let from = cluster.container("here")?;
        ensure!(from.http("http://web:8080/")?.starts_with("shoal example 1"));
        let routes = from.sh("ip route show default")?;
        ensure!(routes.is_empty(), "an internal network has a way out: {routes}");
        let failed = cluster.shoal(&["service", "ps", "--filter", "desired-state=shutdown", "-q", "web"])?;
        ensure!(failed.is_empty(), "tasks failed before one ran: {failed}");
        cluster.shoal(&["service", "rm", "web", "here"])?;
        cluster.wait_until("the network can be removed", SOON, || {
            Ok(cluster.shoal(&["network", "rm", "front"]).is_ok())
        })?;
    }
    cluster.finish()
}
