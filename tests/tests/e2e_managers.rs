//! Managers end to end: one that was away comes back, whatever the others have done meanwhile.

use anyhow::{Context, Result, ensure};
use proto::wire::{GetNodeRequest, NodeSpec, UpdateNodeRequest};
use tests::cluster::{SOON, TestCluster};

/// Log entries that managers keep behind a snapshot, and then some: who missed as many needs the snapshot.
const CHANGES: u32 = 700;

#[test]
fn a_manager_that_missed_more_than_the_log_holds_catches_up_by_snapshot() -> Result<()> {
    let cluster = TestCluster::start(3, 0)?;
    cluster.shoal(&["swarm", "update", "--snapshot-interval", "100"])?;
    cluster.on(cluster.node("m3").kill())?;
    cluster.wait_until("the others answer", SOON, || Ok(cluster.shoal(&["node", "ls"]).is_ok()))?;
    relabel(&cluster, CHANGES)?;

    cluster.on(cluster.node("m3").start())?;
    // Only the two of them are left to answer, so what m3 knows is what is asked for.
    cluster.wait_until("it is back among the managers", SOON, || {
        let nodes = cluster.shoal(&["node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"])?;
        Ok(nodes.lines().any(|line| line == "m3 Reachable" || line == "m3 Leader"))
    })?;
    cluster.wait_until("it has taken the snapshot in", SOON, || {
        let log = std::fs::read_to_string(cluster.node("m3").log())?;
        Ok(log.contains("snapshot taken in"))
    })?;
    cluster.on(cluster.node("m2").kill())?;
    cluster.wait_until("with m2 gone it is needed for every answer, and has them right", SOON, || {
        let labels = cluster
            .shoal_on("m3", &["node", "inspect", "--format", "{{index .Spec.Labels \"count\"}}", "m1"])?;
        Ok(labels.trim() == (CHANGES - 1).to_string())
    })?;
    cluster.finish()
}

#[test]
fn five_managers_go_on_without_two() -> Result<()> {
    let cluster = TestCluster::start(5, 0)?;
    cluster.on(cluster.node("m4").kill())?;
    cluster.on(cluster.node("m5").kill())?;
    cluster.load_busybox()?;
    cluster.wait_until("a service is created", SOON, || {
        cluster.shoal(&[
            "service",
            "create",
            "-q",
            "--name",
            "app",
            "--constraint",
            "node.hostname==m1",
            "test:1",
        ])?;
        Ok(true)
    })?;
    ensure!(cluster.running("app")?.len() == 1);
    cluster.finish()
}

/// Changes a label so many times, each time durably on a majority.
fn relabel(cluster: &TestCluster, times: u32) -> Result<()> {
    let client = cluster.on(cluster.node("m1").client())?;
    let name = cluster.shoal(&["node", "inspect", "--format", "{{.ID}}", "m1"])?.trim().to_owned();
    cluster.call(async move {
        for count in 0..times {
            let node = client.control().get_node(GetNodeRequest { node: name.clone() }).await?.into_inner();
            let spec = node.spec.context("a node has a spec")?;
            let labels = [("count".to_owned(), count.to_string())].into();
            let request = UpdateNodeRequest {
                node: name.clone(),
                version: node.version,
                spec: Some(NodeSpec { labels, ..spec }),
            };
            client.control().update_node(request).await?;
        }
        Ok(())
    })
}
