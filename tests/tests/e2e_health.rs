//! Health: probes decide when a task runs, whether it gets connections, and when it is replaced.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{collections::BTreeSet, fs, path::PathBuf};
use tests::{
    cluster::{SOON, TestCluster},
    images,
};

/// Serves its own number on port 8080.
const SERVE: &str = "mkdir -p /www; echo $SLOT >/www/index.html; exec httpd -f -p 8080 -h /www";

/// A cluster, and a folder that all its containers see as `/state`.
fn start() -> Result<(TestCluster, PathBuf)> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let state = cluster.dir().join("state");
    fs::create_dir(&state)?;
    Ok((cluster, state))
}

fn create(cluster: &TestCluster, state: &std::path::Path, options: &[&str], program: &[&str]) -> Result<()> {
    let mount = format!("type=bind,source={},target=/state", state.display());
    let fixed =
        ["service", "create", "-q", "--name", "web", "--mount", &mount, "--env", "SLOT={{.Task.Slot}}"];
    let fixed = [&fixed[..], &["--stop-signal", "SIGKILL", "--restart-delay", "100ms"]].concat();
    cluster.shoal(&[&fixed[..], options, &["test:1"], program].concat())?;
    Ok(())
}

/// Who answers on a published port, in a few tries.
fn answering(cluster: &TestCluster) -> BTreeSet<String> {
    (0..8).filter_map(|_| Some(cluster.http("w1", "m1", 8080).ok()?.trim().to_owned())).collect()
}

#[test]
fn a_task_that_is_not_ready_gets_no_connections_and_runs_on() -> Result<()> {
    let (cluster, state) = start()?;
    let options = "--replicas 2 --publish 8080:8080 --readiness-probe";
    let probe = "cmd=test ! -e /state/$SLOT || { echo busy; false; },interval=200ms,retries=1";
    let options: Vec<&str> = options.split(' ').chain([probe]).collect();
    create(&cluster, &state, &options, &["sh", "-c", SERVE])?;
    let both = || Ok(answering(&cluster) == BTreeSet::from(["1".to_owned(), "2".to_owned()]));
    cluster.wait_until("both answer", SOON, both)?;
    let tasks = cluster.running("web")?;

    fs::write(state.join("1"), "")?;
    cluster.wait_until("the second alone answers", SOON, || {
        Ok(answering(&cluster) == BTreeSet::from(["2".to_owned()]))
    })?;
    let told = cluster.shoal(&["service", "ps", "--no-trunc", "web"])?;
    ensure!(told.contains("fails: exit code 1: busy"), "{told}");

    // Over a restart of the daemon it is known that it is not ready, and noticed when it is.
    for node in ["m1", "w1"] {
        cluster.on(cluster.node(node).kill())?;
        cluster.on(cluster.node(node).start())?;
    }
    cluster.wait_until("the second answers again", SOON, || {
        Ok(answering(&cluster) == BTreeSet::from(["2".to_owned()]))
    })?;
    fs::remove_file(state.join("1"))?;
    cluster.wait_until("both answer again", SOON, both)?;
    ensure!(cluster.running("web")? == tasks, "none was replaced");
    cluster.finish()
}

#[test]
fn a_task_that_is_unhealthy_is_replaced_and_its_end_explained() -> Result<()> {
    let (cluster, state) = start()?;
    let options = "--health-interval 200ms --health-retries 2 --health-timeout 5s --health-cmd";
    let options: Vec<&str> = options.split(' ').chain(["cat /state/answer; test ! -e /state/sick"]).collect();
    fs::write(state.join("answer"), "so it is\n")?;
    create(&cluster, &state, &options, &["sleep", "1000000"])?;
    let first = cluster.running("web")?;
    fs::write(state.join("sick"), "")?;
    cluster.wait_until("it failed", SOON, || {
        let told = cluster.shoal(&["service", "ps", "--no-trunc", "web"])?;
        Ok(told.contains("unhealthy: health probe (cat /state/answer; test ! -e /state/sick) failed 2 times: exit code 1: so it is"))
    })?;
    fs::remove_file(state.join("sick"))?;
    cluster.wait_until("another runs", SOON, || {
        let now = cluster.running("web")?;
        Ok(now.len() == 1 && now != first)
    })?;
    cluster.finish()
}

#[test]
fn probes_by_network_see_what_clients_would() -> Result<()> {
    let (cluster, state) = start()?;
    for (probe, is_good) in
        [("tcp=8080", true), ("http=8080/", true), ("http=8080/nothing", false), ("tcp=8081", false)]
    {
        let probe = format!("{probe},interval=100ms,retries=3,timeout=2s");
        let options = ["-d", "--health-probe", &probe];
        create(&cluster, &state, &options, &["sh", "-c", SERVE])?;
        let expected = match probe.split(',').next().context("the probe")? {
            "http=8080/nothing" => {
                "health probe (http 8080/nothing) failed 3 times: it answers 404 Not Found"
            }
            "tcp=8081" => "health probe (tcp 8081) failed 3 times: port 8081: Connection refused",
            _ => "",
        };
        cluster.wait_until(&format!("{probe}: {is_good}"), SOON, || {
            let told = cluster.shoal(&["service", "ps", "--no-trunc", "web"])?;
            Ok(if is_good { cluster.running("web")?.len() == 1 } else { told.contains(expected) })
        })?;
        cluster.shoal(&["service", "rm", "web"])?;
        cluster.wait_until("it is gone", SOON, || Ok(cluster.shoal(&["service", "ls", "-q"])?.is_empty()))?;
    }
    cluster.finish()
}

#[test]
fn an_update_that_never_gets_ready_is_rolled_back_and_loses_nobody() -> Result<()> {
    let (cluster, state) = start()?;
    let options = "--replicas 2 --publish 8080:8080 --update-order start-first --update-failure-action rollback \
        --startup-probe cmd=true --readiness-probe http=8080/,interval=200ms --update-progress-deadline 4s";
    let options: Vec<&str> = options.split_whitespace().collect();
    create(&cluster, &state, &options, &["sh", "-c", SERVE])?;
    let before = cluster.running("web")?;
    let update = ["service", "update", "--readiness-probe", "http=8080/nothing,interval=200ms", "web"];
    let refused = cluster.refused(&update)?;
    let says = "readiness probe (http 8080/nothing) fails: it answers 404 Not Found";
    ensure!(refused.contains("does not run after 4s") && refused.contains(says), "{refused}");
    ensure!(cluster.running("web")? == before, "those that ran did all the while");
    cluster.finish()
}

#[test]
fn what_the_image_says_counts_unless_the_service_says_otherwise() -> Result<()> {
    let (cluster, state) = start()?;
    let path = cluster.dir().join("checked.tar");
    let second = 1_000_000_000u64;
    let check = json!({ "Test": ["CMD", "ls", "/state/fine"], "Interval": second, "Retries": 1 });
    images::busybox(&path, "checked:1", json!({ "Cmd": ["sleep", "1000000"], "Healthcheck": check }))?;
    cluster.load(&path)?;
    let mount = format!("type=bind,source={},target=/state", state.display());
    let create = [
        "service",
        "create",
        "-d",
        "--name",
        "web",
        "--stop-signal",
        "SIGKILL",
        "--mount",
        &mount,
        "checked:1",
    ];
    cluster.shoal(&create)?;
    cluster.wait_until("the image's check fails", SOON, || {
        Ok(cluster.shoal(&["service", "ps", "--no-trunc", "web"])?.contains(
            "health probe (ls /state/fine) failed once: exit code 1: ls: /state/fine: No such file",
        ))
    })?;
    cluster.shoal(&["service", "update", "-q", "--no-healthcheck", "web"])?;
    cluster.wait_until("it runs unchecked", SOON, || Ok(cluster.running("web")?.len() == 1))?;
    fs::write(state.join("fine"), "")?;
    cluster.shoal(&["service", "update", "-q", "--health-interval", "500ms", "web"])?;
    cluster.wait_until("it runs and is checked", SOON, || Ok(cluster.running("web")?.len() == 1))?;
    cluster.finish()
}

#[test]
fn wrong_options_are_named_together() -> Result<()> {
    let (cluster, _) = start()?;
    let options = "--health-interval x --health-retries 0 --startup-probe tcp=0 --readiness-probe every=5s";
    let options: Vec<&str> = options.split(' ').collect();
    let refused = cluster.refused(&[&["service", "create"], &options[..], &["test:1"]].concat())?;
    for says in ["--health-interval", "--health-retries", "`0` is not a port", "no part `every`"] {
        ensure!(refused.contains(says), "no {says} in {refused}");
    }
    let refused =
        cluster.refused(&["service", "create", "--no-healthcheck", "--health-cmd", "true", "test:1"])?;
    ensure!(refused.contains("cannot be used with"), "{refused}");
    cluster.finish()
}
