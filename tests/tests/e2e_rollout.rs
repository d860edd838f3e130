//! Rollouts that people steer: canaries, pauses, deadlines, and the way back to any revision.

use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use tests::cluster::{SOON, TestCluster};

/// How many tasks that run have each image.
fn images(cluster: &TestCluster, service: &str) -> Result<BTreeMap<String, usize>> {
    let format = "{{.Image}} {{.CurrentState}}";
    let args = ["service", "ps", "--filter", "desired-state=running", "--format", format, service];
    let mut counts = BTreeMap::new();
    for line in cluster.shoal(&args)?.lines().filter(|line| line.contains(" Running ")) {
        *counts.entry(line.split_whitespace().next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(counts)
}

fn expect(cluster: &TestCluster, wanted: &[(&str, usize)]) -> Result<()> {
    let wanted: BTreeMap<String, usize> =
        wanted.iter().map(|(image, count)| ((*image).to_owned(), *count)).collect();
    cluster.wait_until(&format!("{wanted:?} run"), SOON, || Ok(images(cluster, "web")? == wanted))
}

fn start(options: &[&str]) -> Result<TestCluster> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_example("1")?;
    cluster.load_example("2")?;
    let fixed = ["service", "create", "-q", "--name", "web", "--update-monitor", "500ms"];
    cluster.shoal(&[&fixed[..], options, &["example:1"]].concat())?;
    Ok(cluster)
}

#[test]
fn a_canary_is_alone_until_it_is_promoted() -> Result<()> {
    let cluster = start(&["--replicas", "3", "--update-canary", "1", "--update-order", "start-first"])?;
    let update = ["service", "update", "--image", "example:2", "web"];
    let told = cluster.shoal(&update)?;
    ensure!(told.contains("web"), "{told}");
    ensure!(images(&cluster, "web")? == BTreeMap::from([("example:1".into(), 2), ("example:2".into(), 1)]));
    let state =
        ["service", "inspect", "--format", "{{.UpdateStatus.State}} {{.UpdateStatus.Message}}", "web"];
    let state = cluster.shoal(&state)?;
    ensure!(state.starts_with("awaiting_promotion 1 of 3 slots have the new spec"), "{state}");

    cluster.shoal(&["service", "promote", "-q", "web"])?;
    expect(&cluster, &[("example:2", 3)])?;
    let refused = cluster.refused(&["service", "promote", "web"])?;
    ensure!(refused.contains("nothing to promote"), "{refused}");
    cluster.finish()
}

#[test]
fn an_update_is_paused_resumed_cancelled_and_any_revision_comes_back() -> Result<()> {
    let cluster = start(&["--replicas", "3", "--update-delay", "1h"])?;
    cluster.shoal(&["service", "update", "-d", "--image", "example:2", "web"])?;
    expect(&cluster, &[("example:1", 2), ("example:2", 1)])?;
    cluster.shoal(&["service", "rollout", "pause", "web"])?;
    // What the pause is for: the next one would be replaced at once.
    cluster.shoal(&["service", "rollout", "resume", "-d", "web"])?;
    cluster.shoal(&["service", "rollout", "cancel", "-q", "web"])?;
    expect(&cluster, &[("example:1", 3)])?;
    let refused = cluster.refused(&["service", "rollout", "pause", "web"])?;
    ensure!(refused.contains("nothing to pause"), "{refused}");

    let format = "{{.Revision}} {{.Image}} {{.State}}";
    let history = cluster.shoal(&["service", "history", "--format", format, "web"])?;
    let expected = "3 example:1 rollback_completed\n2 example:2 updating\n1 example:1 \n";
    ensure!(history == expected, "{history}");
    let second = cluster.shoal(&["service", "history", "--revision", "2", "web"])?;
    ensure!(second.contains("\"Image\": \"example:2\""), "{second}");

    cluster.shoal(&["service", "scale", "-q", "web=2"])?;
    cluster.shoal(&["service", "rollback", "-q", "--to", "2", "web"])?;
    expect(&cluster, &[("example:2", 2)])?;
    cluster.shoal(&["service", "rollback", "-q", "--to", "1", "--with-replicas", "web"])?;
    expect(&cluster, &[("example:1", 3)])?;
    for (to, says) in
        [("9", "has no revision 9"), ("x", "is not a revision"), ("5", "has revision 5 already")]
    {
        let refused = cluster.refused(&["service", "rollback", "--to", to, "web"])?;
        ensure!(refused.contains(says), "{refused}");
    }
    cluster.finish()
}

#[test]
fn an_update_that_finds_no_node_ends_at_its_deadline() -> Result<()> {
    let options = ["--update-progress-deadline", "2s", "--update-failure-action", "rollback"];
    let cluster = start(&[&["--replicas", "2"][..], &options].concat())?;
    let refused = cluster.refused(&["service", "update", "--reserve-memory", "1000g", "web"])?;
    ensure!(refused.contains("does not run after 2s: no suitable node"), "{refused}");
    expect(&cluster, &[("example:1", 2)])?;
    cluster.finish()
}
