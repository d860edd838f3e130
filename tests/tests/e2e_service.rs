//! Services end to end: deployed over several nodes, scaled, updated while requests run, rolled back.

use anyhow::{Context, Result, ensure};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tests::cluster::{SOON, TestCluster, get};

const WEB: [&str; 4] = ["--publish", "published=8080,target=8080,mode=host", "--name", "web"];

fn create(cluster: &TestCluster, args: &[&str]) -> Result<String> {
    cluster.shoal(&[&["service", "create", "-q"], args].concat())
}

#[test]
fn a_web_service_answers_on_every_node_it_runs_on_and_is_scaled_up_and_down() -> Result<()> {
    let cluster = TestCluster::start(3, 2)?;
    cluster.load_example("1")?;
    create(&cluster, &[&WEB[..], &["--replicas", "3", "example:1"]].concat())?;

    let tasks = cluster.running("web")?;
    let nodes: BTreeSet<&String> = tasks.iter().map(|(_, node, _)| node).collect();
    ensure!(tasks.len() == 3 && nodes.len() == 3, "three tasks on three nodes: {tasks:?}");
    for (_, node, _) in &tasks {
        let other = if node == "m1" { "m2" } else { "m1" };
        let answer = cluster.http(other, node, 8080)?;
        ensure!(answer.starts_with("shoal example 1 on "), "{node}: {answer}");
    }

    cluster.shoal(&["service", "scale", "web=5"])?;
    ensure!(cluster.running("web")?.len() == 5);
    // A sixth would need a sixth node: every node has its port taken.
    cluster.shoal(&["service", "scale", "-d", "web=6"])?;
    cluster.wait_until("the sixth task says why it waits", SOON, || {
        let all = cluster.shoal(&["service", "ps", "--no-trunc", "web"])?;
        Ok(all.contains("5 have port 8080/tcp in use"))
    })?;

    cluster.shoal(&["service", "scale", "web=1"])?;
    cluster.wait_until("one task is left", SOON, || Ok(cluster.running("web")?.len() == 1))?;
    let left = cluster.running("web")?;
    let silent = cluster.names().into_iter().find(|name| *name != left[0].1).context("another node")?;
    ensure!(cluster.http("m1", &silent, 8080).is_err(), "a port without a task must be closed");
    cluster.finish()
}

#[test]
fn a_rolling_update_answers_requests_all_the_while() -> Result<()> {
    let cluster = TestCluster::start(1, 3)?;
    cluster.load_example("1")?;
    cluster.load_example("2")?;
    create(
        &cluster,
        &[
            &WEB[..],
            &["--replicas", "3", "--update-order", "start-first", "--update-monitor", "1s", "example:1"],
        ]
        .concat(),
    )?;

    let addrs: Vec<_> = cluster.names().iter().map(|name| (cluster.node(name).addr(), 8080).into()).collect();
    let done = Arc::new(AtomicBool::new(false));
    let ended = done.clone();
    let asking = std::thread::scope(|scope| -> Result<Vec<String>> {
        let client = scope.spawn(|| {
            let asked = cluster.node("m1").exec_in_netns(move || {
                let mut answers = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    answers.push(ask_any(&addrs));
                }
                answers.into_iter().collect::<Result<Vec<String>>>()
            });
            cluster.on(asked)
        });
        let updated = cluster.shoal(&["service", "update", "-q", "--image", "example:2", "web"]);
        // The new version is asked for a moment too.
        std::thread::sleep(Duration::from_millis(300));
        done.store(true, Ordering::Relaxed);
        let answers = client.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
        updated?;
        answers
    })?;

    let versions: BTreeSet<&str> = asking.iter().filter_map(|answer| answer.split(' ').nth(2)).collect();
    ensure!(
        versions == BTreeSet::from(["1", "2"]),
        "both versions answered: {versions:?} of {}",
        asking.len()
    );
    ensure!(
        asking.last().is_some_and(|answer| answer.starts_with("shoal example 2")),
        "the new version has the last word"
    );
    ensure!(cluster.running("web")?.len() == 3);
    cluster.finish()
}

/// Asks one server after the other, as a client with several addresses does.
fn ask_any(addrs: &[std::net::SocketAddr]) -> Result<String> {
    let begin = Instant::now();
    loop {
        for addr in addrs {
            if let Ok(answer) = get(*addr) {
                return Ok(answer);
            }
        }
        ensure!(begin.elapsed() < Duration::from_millis(500), "no server answered for half a second");
    }
}

#[test]
fn an_update_to_a_failing_image_is_rolled_back_and_says_why() -> Result<()> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_example("1")?;
    cluster.load_example("broken")?;
    // As in Swarm the next slot is begun once a new task runs, while that one is still watched; the
    // delay leaves time for it to fail first.
    let policy = [
        "--update-failure-action",
        "rollback",
        "--update-monitor",
        "2s",
        "--update-delay",
        "20s",
        "--rollback-monitor",
        "500ms",
    ];
    create(&cluster, &[&WEB[..], &policy, &["--replicas", "2", "example:1"]].concat())?;
    let before: BTreeSet<_> = cluster.running("web")?.into_iter().collect();

    let said = cluster.refused(&["service", "update", "--image", "example:broken", "web"])?;
    ensure!(said.contains("rolled back") || said.contains("rollback"), "{said}");
    cluster.wait_until("the old version runs again", SOON, || {
        let pretty = cluster.shoal(&["service", "inspect", "--format", "{{.UpdateStatus.State}}", "web"])?;
        Ok(pretty.trim() == "rollback_completed" && cluster.running("web")?.len() == 2)
    })?;
    let after: BTreeSet<_> = cluster.running("web")?.into_iter().collect();
    ensure!(
        before.intersection(&after).count() == 1,
        "the task that was not replaced yet was left alone: {before:?} {after:?}"
    );
    for (_, node, _) in &after {
        ensure!(cluster.http("m1", node, 8080)?.starts_with("shoal example 1"));
    }
    cluster.finish()
}

#[test]
fn a_service_is_rolled_back_on_request_and_keeps_its_size() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    create(
        &cluster,
        &[
            "--name",
            "app",
            "--replicas",
            "2",
            "--env",
            "V=1",
            "--update-monitor",
            "0s",
            "--rollback-monitor",
            "0s",
            "test:1",
        ],
    )?;
    cluster.shoal(&["service", "update", "-q", "--env-add", "V=2", "--replicas", "3", "app"])?;
    cluster.shoal(&["service", "rollback", "-q", "app"])?;
    let spec = cluster.shoal(&["service", "inspect", "app"])?;
    ensure!(spec.contains("V=1") && !spec.contains("\"V=2\"\n            ],\n            \"Init"), "{spec}");
    cluster.wait_until("three tasks of the first version run", SOON, || {
        Ok(cluster.running("app")?.len() == 3)
    })?;
    cluster.finish()
}

#[test]
fn a_global_service_follows_the_nodes_and_a_constraint_says_which() -> Result<()> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    cluster.shoal(&["node", "update", "--label-add", "disk=ssd", "w1"])?;
    create(&cluster, &["--name", "every", "--mode", "global", "test:1"])?;
    create(
        &cluster,
        &["--name", "ssd", "--replicas", "2", "--constraint", "node.labels.disk==ssd", "test:1"],
    )?;
    ensure!(cluster.running("every")?.len() == 3);
    let ssd = cluster.running("ssd")?;
    ensure!(ssd.iter().all(|(_, node, _)| node == "w1"), "{ssd:?}");

    cluster.shoal(&["node", "update", "--availability", "drain", "w1"])?;
    cluster.wait_until("nothing runs on the drained node", SOON, || {
        Ok(cluster.running("every")?.len() == 2 && cluster.running("ssd")?.is_empty())
    })?;
    let why = cluster.shoal(&["service", "ps", "--no-trunc", "ssd"])?;
    ensure!(why.contains("node.labels.disk==ssd"), "{why}");

    cluster.shoal(&["node", "update", "--availability", "active", "w1"])?;
    cluster.wait_until("the node is used again", SOON, || {
        Ok(cluster.running("every")?.len() == 3 && cluster.running("ssd")?.len() == 2)
    })?;
    cluster.finish()
}

#[test]
fn why_a_task_waits_and_where_another_one_would_go_is_told_node_by_node() -> Result<()> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    cluster.shoal(&["node", "update", "--label-add", "disk=ssd", "w1"])?;
    cluster.shoal(&["node", "update", "--availability", "pause", "m1"])?;
    let options = ["--constraint", "node.labels.disk==ssd", "--replicas-max-per-node", "1", "test:1"];
    create(&cluster, &[&["--name", "db"][..], &options].concat())?;
    let format = "{{.Node}}: {{.Fits}} {{.ServiceTasks}} {{.Reason}}";
    let told = cluster.shoal(&["service", "explain", "--format", format, "db"])?;
    let expected = "m1: no 0 paused; lacks node.labels.disk==ssd\nw1: no 1 has the most replicas allowed per node, 1\n\
        w2: no 0 lacks node.labels.disk==ssd\n";
    ensure!(told == expected, "{told}");
    cluster.shoal(&["node", "update", "--label-add", "disk=ssd", "w2"])?;
    let told = cluster.shoal(&["service", "explain", "--filter", "fits=true", "--format", format, "db"])?;
    ensure!(told == "w2: yes 0 gets the next task\n", "{told}");

    cluster.shoal(&["service", "scale", "-d", "db=3"])?;
    cluster.wait_until("two run and one waits", SOON, || Ok(cluster.running("db")?.len() == 2))?;
    let output = cluster.run("m1", &["service", "explain", "db"])?;
    let aside = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(aside.contains("waits: no suitable node (0 of 3 nodes: "), "{aside}");
    let refused = cluster.refused(&["service", "explain", "--filter", "fits=maybe", "db"])?;
    ensure!(refused.contains("neither true nor false"), "{refused}");
    cluster.finish()
}
