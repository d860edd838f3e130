//! Connecting single tasks and services to networks while they run, end to end.

use anyhow::{Result, ensure};
use tests::cluster::{Container, SOON, TestCluster};

/// A cluster with an attachable network in which `web` answers on a worker, and a task `shell` outside of it.
fn start() -> Result<(TestCluster, Container)> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    cluster.load_example("1")?;
    cluster.shoal(&["network", "create", "--attachable", "--subnet", "10.79.0.0/24", "back"])?;
    let on = |node: &str| format!("node.hostname=={node}");
    cluster.shoal(&[
        "service",
        "create",
        "-q",
        "--name",
        "web",
        "--network",
        "back",
        "--constraint",
        &on("w1"),
        "example:1",
    ])?;
    cluster.shoal(&["service", "create", "-q", "--name", "shell", "--constraint", &on("w2"), "test:1"])?;
    let shell = cluster.container("shell")?;
    Ok((cluster, shell))
}

fn links(container: &Container) -> Result<usize> {
    Ok(container.sh("ip -o link show")?.lines().filter(|line| line.contains(": eth")).count())
}

#[test]
fn a_task_reaches_another_networks_service_while_it_is_connected_and_not_after() -> Result<()> {
    let (cluster, shell) = start()?;
    ensure!(shell.resolve("web").is_err(), "the name is known outside of the network");
    let before = links(&shell)?;

    cluster.shoal(&["network", "connect", "--alias", "desk", "back", "shell.1"])?;
    ensure!(links(&shell)? == before + 1, "{}", shell.sh("ip -o addr")?);
    cluster.wait_until("the service is reached", SOON, || {
        Ok(shell.http("http://web:8080/")?.starts_with("shoal example 1"))
    })?;
    ensure!(cluster.container("shell")?.pid == shell.pid, "the task was replaced");
    let web = cluster.container("web")?;
    let own = format!("shell.1.{}", shell.task);
    cluster.wait_until("it is found by its own names", SOON, || {
        Ok(web.resolve("desk")? == web.resolve(&own)? && web.resolve("desk")?.len() == 1)
    })?;
    ensure!(web.resolve("shell").is_err(), "its service's name leads to it");
    let shown = cluster.shoal(&["network", "inspect", "--verbose", "back"])?;
    ensure!(shown.contains(&own) && shown.contains("\"ConnectedByHand\": true"), "{shown}");
    let refused = cluster.refused(&["network", "rm", "back"])?;
    ensure!(refused.contains("service `web`"), "{refused}");

    cluster.shoal(&["network", "disconnect", "back", "shell.1"])?;
    ensure!(links(&shell)? == before, "{}", shell.sh("ip -o addr")?);
    ensure!(shell.http("http://10.79.0.254:8080/").is_err(), "the service is still reached");
    ensure!(shell.resolve("web").is_err(), "the name is still known");
    cluster.wait_until("its names are gone", SOON, || Ok(web.resolve("desk").is_err()))?;
    ensure!(cluster.container("shell")?.pid == shell.pid, "the task was replaced");
    cluster.finish()
}

#[test]
fn a_connection_lasts_over_restarts_of_the_daemon_and_ends_with_the_task() -> Result<()> {
    let (cluster, shell) = start()?;
    cluster.shoal(&["network", "connect", "back", "shell.1"])?;
    cluster.on(cluster.node("w2").kill())?;
    cluster.on(cluster.node("w2").start())?;
    cluster.wait_until("the service is reached by its name", SOON, || {
        Ok(shell.http("http://web:8080/")?.starts_with("shoal example 1"))
    })?;
    ensure!(cluster.container("shell")?.pid == shell.pid, "the task was replaced");

    cluster.shoal(&["service", "rm", "web"])?;
    cluster.wait_until("only the task is in its way", SOON, || {
        let refused = cluster.refused(&["network", "rm", "back"])?;
        Ok(refused.contains(&format!("task `shell.1.{}`", shell.task)) && !refused.contains("stopped"))
    })?;
    cluster.shoal(&["service", "update", "-q", "--force", "shell"])?;
    let anew = cluster.container("shell")?;
    ensure!(anew.task != shell.task && links(&anew)? == 1, "{}", anew.sh("ip -o addr")?);
    cluster.wait_until("the network can be removed", SOON, || {
        Ok(cluster.shoal(&["network", "rm", "back"]).is_ok())
    })?;
    cluster.finish()
}

#[test]
fn a_service_is_connected_with_all_its_tasks_and_disconnected_again() -> Result<()> {
    let (cluster, _) = start()?;
    cluster.shoal(&["network", "connect", "-q", "--alias", "desk", "back", "shell"])?;
    let shell = cluster.container("shell")?;
    ensure!(shell.http("http://web:8080/")?.starts_with("shoal example 1"));
    ensure!(shell.resolve("desk")? == shell.resolve("shell")?);
    let refused = cluster.refused(&["network", "disconnect", "back", "shell.1"])?;
    ensure!(refused.contains("disconnect the service `shell`"), "{refused}");
    cluster.shoal(&["network", "disconnect", "-q", "back", "shell"])?;
    ensure!(cluster.container("shell")?.resolve("web").is_err());
    cluster.finish()
}

#[test]
fn what_can_not_be_connected_is_refused_with_the_reason() -> Result<()> {
    let (cluster, _) = start()?;
    cluster.shoal(&["network", "create", "closed"])?;
    for (args, says) in [
        (["closed", "shell.1"], "create the network with --attachable"),
        (["ingress", "shell.1"], "publish a port instead"),
        (["back", "shell.7"], "neither a service nor a task `shell.7` was found"),
        (["nowhere", "shell.1"], "network `nowhere` was not found"),
        (["back", "web"], "service `web` is in network `back` already"),
    ] {
        let refused = cluster.refused(&[&["network", "connect"], &args[..]].concat())?;
        ensure!(refused.contains(says), "{args:?}: {refused}");
    }
    let refused = cluster.refused(&["network", "disconnect", "back", "shell.1"])?;
    ensure!(refused.contains("is not in network `back`"), "{refused}");
    cluster.finish()
}
