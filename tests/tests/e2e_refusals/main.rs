//! Refusals end to end: whatever is asked wrongly is answered with what would be right, a status that
//! is not zero, and nothing changed or half made.

mod commands;
mod daemon;
mod joining;
mod names;
mod tasks;

use anyhow::{Result, ensure};
use tests::cluster::TestCluster;

/// The status of a command that was written wrong.
const USAGE: i32 = 2;

/// A command that must fail, and what it must say.
fn refused(cluster: &TestCluster, args: &[&str], words: &[&str]) -> Result<()> {
    refused_on(cluster, "m1", args, words)
}

/// The same, asked of another node.
fn refused_on(cluster: &TestCluster, node: &str, args: &[&str], words: &[&str]) -> Result<()> {
    says(&cluster.refused_on(node, args)?, words)
}

/// A command that must be refused before anyone is asked, and what it must say.
fn misused(cluster: &TestCluster, args: &[&str], words: &[&str]) -> Result<()> {
    let output = cluster.run("m1", args)?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(USAGE), "shoal {}: {:?}: {said}", args.join(" "), output.status);
    says(&said, words)
}

fn says(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "`{word}` is missing in: {said}");
    }
    Ok(())
}

/// What people have made of the cluster: its services and its nodes, but not how the nodes are.
fn made(cluster: &TestCluster) -> Result<String> {
    let services =
        cluster.shoal(&["service", "ls", "--format", "{{.ID}} {{.Name}} {{.Mode}} {{.Image}} {{.Ports}}"])?;
    let nodes = cluster.shoal(&["node", "ls", "--format", "{{.ID}} {{.Hostname}} {{.Availability}}"])?;
    Ok(format!("{services}{nodes}"))
}
