//! Membership end to end: nodes that join, leave, are removed, promoted and demoted while containers run.

mod leaving;
mod roles;

use anyhow::{Context, Result};
use pki::NodeIdentity;
use proto::model::Role;
use std::{collections::BTreeMap, fs};
use tests::cluster::{SOON, TestCluster};

/// Who a node says it is, from the certificate that it keeps.
fn certificate(cluster: &TestCluster, node: &str) -> Result<NodeIdentity> {
    let pem = fs::read_to_string(cluster.node(node).data_dir().join("identity/node.pem"))?;
    let begin = pem.find("-----BEGIN CERTIFICATE-----").context("no certificate")?;
    Ok(NodeIdentity::of_pem(&pem[begin..])?)
}

fn token(cluster: &TestCluster, manager: &str, role: &str) -> Result<String> {
    Ok(cluster.shoal_on(manager, &["swarm", "join-token", "-q", role])?.trim().to_owned())
}

/// The nodes as `Status ManagerStatus`, by name, as a manager sees them.
fn nodes(cluster: &TestCluster, via: &str) -> Result<BTreeMap<String, String>> {
    let listed =
        cluster.shoal_on(via, &["node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}"])?;
    let split = |line: &str| {
        let (name, status) = line.split_once(' ')?;
        Some((name.to_owned(), status.trim().to_owned()))
    };
    listed.lines().map(|line| split(line).context("a name and a status")).collect()
}

/// Waits until the nodes are as given; a leader is a reachable manager.
fn become_so(cluster: &TestCluster, via: &str, wanted: &[(&str, &str)]) -> Result<()> {
    let wanted: BTreeMap<String, String> =
        wanted.iter().map(|(name, status)| ((*name).into(), (*status).into())).collect();
    cluster.wait_until(&format!("the nodes are {wanted:?}"), SOON, || {
        let mut found = nodes(cluster, via)?;
        found.values_mut().for_each(|status| *status = status.replace("Leader", "Reachable"));
        anyhow::ensure!(found == wanted, "they are {found:?}");
        Ok(true)
    })
}

/// Waits until a node's own certificate and socket know of its role.
fn is_now(cluster: &TestCluster, node: &str, role: Role) -> Result<()> {
    cluster.wait_until(&format!("{node} is a {role}"), SOON, || {
        let answers = cluster.run(node, &["node", "ls"])?.status.success();
        Ok(certificate(cluster, node)?.role == role && answers == (role == Role::Manager))
    })
}

/// The manager that leads, as another one sees it.
fn leader(cluster: &TestCluster, via: &str) -> Result<String> {
    let all = nodes(cluster, via)?;
    let leads = all.into_iter().find(|(_, status)| status.ends_with("Leader"));
    Ok(leads.context("no leader")?.0)
}
