//! Logs end to end: read from any manager, for tasks on any node, also after these have ended.

use anyhow::{Context, Result, ensure};
use std::{
    io::{BufRead, BufReader},
    time::Duration,
};
use tests::cluster::{SOON, TestCluster};

/// Says how often it has spoken, twice a second.
const TALK: &str = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.5; done";

#[test]
fn the_logs_of_every_task_are_read_through_every_manager() -> Result<()> {
    let cluster = TestCluster::start(3, 1)?;
    cluster.load_busybox()?;
    cluster.shoal(&[
        "service", "create", "-q", "--name", "talk", "--mode", "global", "test:1", "sh", "-c", TALK,
    ])?;
    for manager in ["m1", "m2", "m3"] {
        cluster.wait_until("all four tasks are heard", SOON, || {
            let said = cluster.shoal_on(manager, &["service", "logs", "talk"])?;
            Ok(cluster.names().iter().all(|node| said.lines().any(|line| line.contains(node.as_str()))))
        })?;
    }
    let two = cluster.shoal(&["service", "logs", "--tail", "2", "talk"])?;
    ensure!(two.lines().count() <= 8, "two lines of each of four tasks: {two}");

    let dated = cluster.shoal(&["service", "logs", "--timestamps", "--tail", "1", "talk"])?;
    let stamp = dated.lines().next().context("a line")?.split_whitespace().next().context("a word")?;
    ensure!(stamp.starts_with("20") && stamp.ends_with('Z'), "{dated}");

    let none = cluster.shoal(&["service", "logs", "--since", "2100-01-01T00:00:00Z", "talk"])?;
    ensure!(none.is_empty(), "{none}");
    cluster.finish()
}

#[test]
fn following_shows_new_lines_as_they_come() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let args = [
        "service",
        "create",
        "-q",
        "--name",
        "talk",
        "--constraint",
        "node.hostname==w1",
        "test:1",
        "sh",
        "-c",
        TALK,
    ];
    cluster.shoal(&args)?;
    let mut following = cluster.spawn("m1", &["service", "logs", "-f", "--tail", "1", "talk"])?;
    let output = following.stdout.take().context("its output")?;
    let (lines, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut numbers = Vec::new();
    while numbers.len() < 4 {
        let line = heard.recv_timeout(SOON).context("no line came")?;
        if let Some(number) = line.rsplit_once("line ").and_then(|(_, number)| number.parse::<u32>().ok()) {
            numbers.push(number);
        }
    }
    following.kill()?;
    following.wait()?;
    drop(heard);
    reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
    ensure!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "no line lost or doubled: {numbers:?}");
    cluster.finish()
}

#[test]
fn what_a_failed_task_said_last_is_still_there() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let args = [
        "--name",
        "fails",
        "--restart-condition",
        "none",
        "test:1",
        "sh",
        "-c",
        "echo a word; echo last words >&2; exit 3",
    ];
    let said = cluster.refused(&[&["service", "create"], &args[..]].concat())?;
    ensure!(said.contains("last words") && said.contains("exited with code 3"), "{said}");
    let logs = cluster.run("m1", &["service", "logs", "--raw", "fails"])?;
    ensure!(
        logs.stdout == b"a word\n" && logs.stderr == b"last words\n",
        "each stream goes where it came from: {logs:?}"
    );
    cluster.finish()
}

#[test]
fn a_silent_node_costs_a_warning_and_not_the_other_lines() -> Result<()> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    let args = [
        "service",
        "create",
        "-q",
        "--name",
        "talk",
        "--mode",
        "global",
        "--constraint",
        "node.role==worker",
    ];
    cluster.shoal(&[&args[..], &["test:1", "sh", "-c", TALK]].concat())?;
    cluster.on(cluster.node("w2").kill())?;
    cluster.wait_until("w1 is heard, and w2 is warned of", Duration::from_secs(30), || {
        let output = cluster.run("m1", &["service", "logs", "--tail", "1", "talk"])?;
        let (said, warned) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        Ok(said.contains("@w1") && !said.contains("@w2") && warned.contains("does not answer"))
    })?;
    cluster.finish()
}
