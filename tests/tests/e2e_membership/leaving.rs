//! Nodes that join, leave and are removed.

use super::{become_so, nodes, token};
use anyhow::{Context, Result, ensure};
use nix::{net::if_::if_nameindex, sys::signal::kill, unistd::Pid};
use std::{collections::BTreeSet, fs, path::Path};
use tests::cluster::{SOON, TestCluster};

/// What a node has of its cluster beside its data folder's lasting part.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traces {
    containers: usize,
    mounts: usize,
    cgroups: usize,
    links: BTreeSet<String>,
}

fn traces(cluster: &TestCluster, node: &str, id: &str) -> Result<Traces> {
    let (place, short) = (cluster.node(node), &id[..8]);
    let containers = fs::read_dir(place.data_dir().join("containers"))?.count();
    let socket = place.socket();
    let run = socket.parent().context("a socket is in a folder")?;
    let below = |line: &&str| {
        [run, &place.data_dir()].iter().any(|dir| line.contains(&format!("{}/", dir.display())))
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo")?.lines().filter(below).count();
    let links = cluster.on(place.exec_in_netns(links))??;
    Ok(Traces { containers, mounts, cgroups: cgroups(Path::new("/sys/fs/cgroup"), short, 3), links })
}

/// The links of the calling thread's network namespace.
fn links() -> nix::Result<BTreeSet<String>> {
    Ok(if_nameindex()?.iter().map(|link| link.name().to_string_lossy().into_owned()).collect())
}

/// The cgroups whose names have a word in them, so many levels down.
fn cgroups(dir: &Path, word: &str, levels: u32) -> usize {
    let folders = fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let count = |entry: fs::DirEntry| match entry.file_name().to_string_lossy().contains(word) {
        true => 1,
        false if levels > 1 => cgroups(&entry.path(), word, levels - 1),
        false => 0,
    };
    folders.map(count).sum()
}

fn id_of(cluster: &TestCluster, node: &str) -> Result<String> {
    Ok(cluster.shoal(&["node", "inspect", "--format", "{{.ID}}", node])?.trim().to_owned())
}

#[test]
fn a_worker_that_leaves_is_emptied_and_one_that_joins_is_used() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let bare: BTreeSet<String> = ["eth0", "lo"].map(str::to_owned).into();
    let create = [
        "service",
        "create",
        "-q",
        "--name",
        "app",
        "--mode",
        "global",
        "--mount",
        "source=kept,target=/data",
    ];
    cluster.shoal(&[&create[..], &["--publish", "published=8080,target=80,mode=host", "test:1"]].concat())?;
    let tasks = cluster.running("app")?;
    let (_, _, task) = tasks.iter().find(|(_, node, _)| node == "w1").context("no task on w1")?;
    let pid = *cluster.processes("m1", "app")?.get(task).context("its process")?;
    let id = id_of(&cluster, "w1")?;
    let full = traces(&cluster, "w1", &id)?;
    ensure!(
        full.containers == 1 && full.mounts > 0 && full.cgroups > 0 && full.links.len() > bare.len(),
        "{full:?}"
    );

    cluster.shoal_on("w1", &["swarm", "leave"])?;
    ensure!(kill(Pid::from_raw(pid), None).is_err(), "the container lives on");
    let left = traces(&cluster, "w1", &id)?;
    ensure!(left == Traces { links: bare, ..Traces::default() }, "{left:?}");
    // It is known to be gone without any wait.
    ensure!(
        nodes(&cluster, "m1")?.get("w1").is_some_and(|status| status == "Down"),
        "{:?}",
        nodes(&cluster, "m1")?
    );
    cluster.wait_until("its task counts as ended", SOON, || {
        let all = cluster.shoal(&[
            "service",
            "ps",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.CurrentState}}",
            "app",
        ])?;
        let ended = all.lines().any(|line| line.starts_with(&format!("{task} Orphaned")));
        Ok(ended && cluster.running("app")?.len() == 1)
    })?;
    cluster.shoal(&["node", "rm", "w1"])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable")])?;

    let old = token(&cluster, "m1", "worker")?;
    let new = cluster.shoal(&["swarm", "join-token", "--rotate", "-q", "worker"])?;
    let addr = format!("{}:2377", cluster.node("m1").addr());
    let said = cluster.refused_on("w1", &["swarm", "join", "--token", &old, &addr])?;
    ensure!(said.contains("rotated"), "{said}");
    cluster.shoal_on("w1", &["swarm", "join", "--token", new.trim(), &addr])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("w1", "Ready")])?;
    cluster.wait_until("it has a task again", SOON, || Ok(cluster.running("app")?.len() == 2))?;
    cluster.finish()
}

#[test]
fn a_node_that_is_ready_is_removed_only_by_force() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let at = "node.hostname==w1";
    cluster.shoal(&["service", "create", "-q", "--name", "app", "--constraint", at, "test:1"])?;
    let said = cluster.refused(&["node", "rm", "w1"])?;
    ensure!(said.contains("node w1 is not down") && said.contains("shoal node rm --force w1"), "{said}");
    let said = cluster.refused(&["node", "rm", "--force", "m1"])?;
    ensure!(said.contains("node m1 is a manager") && said.contains("shoal node demote m1"), "{said}");
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("w1", "Ready")])?;

    let id = id_of(&cluster, "w1")?;
    cluster.shoal(&["node", "rm", "--force", "w1"])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable")])?;
    // The node finds out by itself that it is not wanted, and can be brought back.
    cluster.shoal_on("w1", &["swarm", "leave", "--force"])?;
    let left = traces(&cluster, "w1", &id)?;
    ensure!(left.containers + left.mounts + left.cgroups == 0, "{left:?}");
    let addr = format!("{}:2377", cluster.node("m1").addr());
    cluster.shoal_on("w1", &["swarm", "join", "--token", &token(&cluster, "m1", "worker")?, &addr])?;
    cluster.wait_until("the task that waited runs on it", SOON, || Ok(cluster.running("app")?.len() == 1))?;
    cluster.finish()
}

#[test]
fn a_manager_leaves_by_force_and_says_first_if_too_few_are_left() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    let said = cluster.refused_on("m2", &["swarm", "leave"])?;
    ensure!(said.contains("this node is a manager: demote it first") && said.contains("--force"), "{said}");

    cluster.on(cluster.node("m3").kill())?;
    cluster.wait_until("it is noticed that m3 is gone", SOON, || {
        Ok(nodes(&cluster, "m1")?.get("m3").is_some_and(|status| status.ends_with("Unreachable")))
    })?;
    for args in [["swarm", "leave"].as_slice(), &["node", "demote", "m2"]] {
        let said = cluster.refused_on("m2", args)?;
        ensure!(said.contains("2 managers of which only 1 can be reached, and 2 are needed"), "{said}");
    }
    // The one that is gone may be demoted, and leaves two that can be reached.
    cluster.shoal(&["node", "demote", "m3"])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("m2", "Ready Reachable"), ("m3", "Down")])?;
    cluster.on(cluster.node("m3").start())?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("m2", "Ready Reachable"), ("m3", "Ready")])?;

    cluster.shoal_on("m1", &["swarm", "leave", "--force"])?;
    become_so(&cluster, "m2", &[("m1", "Down"), ("m2", "Ready Reachable"), ("m3", "Ready")])?;
    cluster.shoal_on("m2", &["node", "rm", "m1"])?;
    let addr = format!("{}:2377", cluster.node("m2").addr());
    cluster.shoal_on("m1", &["swarm", "join", "--token", &token(&cluster, "m2", "manager")?, &addr])?;
    become_so(&cluster, "m1", &[("m1", "Ready Reachable"), ("m2", "Ready Reachable"), ("m3", "Ready")])?;
    cluster.finish()
}
