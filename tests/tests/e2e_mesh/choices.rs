//! Ports that are published in another way than usual: chosen by the cluster, at one address, local tasks first.

use super::{answers, start};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use tests::cluster::{SOON, TestCluster};

fn create(cluster: &TestCluster, name: &str, args: &[&str]) -> Result<String> {
    cluster.shoal(&[&["service", "create", "-q", "--name", name, "--publish"], args, &["example:1"]].concat())
}

fn ports(cluster: &TestCluster, name: &str) -> Result<String> {
    let filter = format!("name={name}");
    Ok(cluster.shoal(&["service", "ls", "--filter", &filter, "--format", "{{.Ports}}"])?.trim().to_owned())
}

#[test]
fn a_port_that_nobody_named_is_chosen_shown_and_kept() -> Result<()> {
    let cluster = start(1)?;
    create(&cluster, "web", &["target=8080"])?;
    create(&cluster, "other", &["8080"])?;
    ensure!(
        ports(&cluster, "web")? == "*:30000->8080/tcp" && ports(&cluster, "other")? == "*:30001->8080/tcp"
    );
    let tasks = cluster.shoal(&["service", "ps", "--format", "{{.Ports}}", "web"])?;
    ensure!(tasks.trim() == "*:30000->8080/tcp", "{tasks}");
    let inspected = ["service", "inspect", "--format", "{{(index .Endpoint.Ports 0).PublishedPort}}", "web"];
    ensure!(cluster.shoal(&inspected)?.trim() == "30000");
    cluster.shoal(&["service", "update", "-q", "--image", "example:2", "--publish-add", "8081", "web"])?;
    ensure!(ports(&cluster, "web")?.starts_with("*:30000->8080/tcp, *:3000"), "{}", ports(&cluster, "web")?);
    cluster.wait_until("the chosen port leads to the new task", SOON, || {
        Ok(cluster.http("w1", "m1", 30_000)?.starts_with("shoal example 2"))
    })?;
    cluster.finish()
}

#[test]
fn of_two_services_that_are_made_at_once_one_gets_the_port() -> Result<()> {
    let cluster = start(0)?;
    let names = ["one", "two", "three"];
    let args = |name| {
        ["service", "create", "-d", "--name", name, "--publish", "8080:8080", "--replicas", "0", "example:1"]
    };
    let made: Vec<_> = names.map(|name| cluster.spawn("m1", &args(name))).into();
    let mut refusals = Vec::new();
    for child in made {
        let output = child?.wait_with_output()?;
        if !output.status.success() {
            refusals.push(String::from_utf8(output.stderr)?);
        }
    }
    ensure!(refusals.len() == 2, "{refusals:?}");
    for refusal in refusals {
        ensure!(refusal.contains("port 8080/tcp of every node is taken by service `"), "{refusal}");
    }
    cluster.finish()
}

#[test]
fn a_node_sends_to_its_own_tasks_first_if_asked() -> Result<()> {
    let cluster = start(2)?;
    create(&cluster, "web", &["published=8080,target=8080", "--mode", "global"])?;
    let by_all = |cluster: &TestCluster| -> Result<Vec<BTreeSet<String>>> {
        cluster.names().iter().map(|node| answers(cluster, node)).collect()
    };
    cluster.wait_until("every node sends to all tasks", SOON, || {
        Ok(by_all(&cluster)?.iter().all(|answers| answers.len() == 3))
    })?;
    let tasks = cluster.running("web")?;
    let local_first = "published=8080,target=8080,traffic=local-first";
    cluster.shoal(&["service", "update", "-q", "--publish-add", local_first, "web"])?;
    ensure!(cluster.running("web")? == tasks, "the tasks need not be made anew for that");
    cluster.wait_until("every node sends to its own task", SOON, || {
        for (node, answers) in cluster.names().iter().zip(by_all(&cluster)?) {
            let (_, _, own) = tasks.iter().find(|(_, on, _)| on == node).context("it has a task")?;
            let answer = answers.first().context("it answers")?;
            if answers.len() != 1 || !answer.contains(&own[1..13]) {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    cluster.shoal(&["service", "update", "-q", "--constraint-add", "node.hostname!=w2", "web"])?;
    cluster.wait_until("the node without a task sends to all", SOON, || {
        Ok(answers(&cluster, "w2")?.len() == 2)
    })?;
    cluster.finish()
}

#[test]
fn only_nodes_that_have_the_address_answer_there() -> Result<()> {
    let cluster = start(1)?;
    let w1 = cluster.node("w1").addr();
    create(&cluster, "web", &[&format!("{w1}:8080:8080"), "--constraint", "node.hostname==m1"])?;
    ensure!(ports(&cluster, "web")? == format!("{w1}:8080->8080/tcp"));
    cluster.wait_until("w1 answers", SOON, || Ok(cluster.http("m1", "w1", 8080).is_ok()))?;
    ensure!(cluster.http("w1", "m1", 8080).is_err(), "m1 answers, too");
    let host =
        ["published=9090,target=8080,mode=host,host-ip=127.0.0.1", "--constraint", "node.hostname==m1"];
    create(&cluster, "local", &host)?;
    let at_localhost = || tests::cluster::get(([127, 0, 0, 1], 9090).into());
    cluster.on(cluster.node("m1").exec_in_netns(at_localhost))??;
    ensure!(cluster.http("w1", "m1", 9090).is_err(), "others reach it, too");
    cluster.finish()
}
