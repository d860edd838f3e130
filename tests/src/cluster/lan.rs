//! A link between nodes besides the cluster's own, with a machine on it that is none of the cluster's.

use super::TestCluster;
use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The link; gone when dropped.
#[derive(Debug)]
pub struct Lan {
    /// The file that the other machine's network namespace is bound to.
    outside: PathBuf,
    /// Where that file is: the link may outlive the cluster.
    _dir: tempfile::TempDir,
}

impl TestCluster {
    /// Gives nodes a link `lan0` that leads to a machine with these addresses, each with its prefix length.
    pub fn lan(&self, nodes: &[&str], addresses: &[&str]) -> Result<Lan> {
        let dir = tempfile::tempdir()?;
        let outside = dir.path().join("lan");
        std::fs::write(&outside, "")?;
        run(Command::new("unshare").arg(format!("--net={}", outside.display())).arg("true"))?;
        let lan = Lan { outside, _dir: dir };
        lan.ip("link add bridge0 type bridge")?;
        for address in addresses {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            lan.ip(&format!("address add {address} dev bridge0 {nodad}"))?;
        }
        lan.ip("link set bridge0 up")?;
        for node in nodes {
            let there = self.node(node).namespace();
            lan.ip(&format!("link add to-{node} type veth peer name lan0 netns {}", there.display()))?;
            lan.ip(&format!("link set to-{node} master bridge0 up"))?;
            ip(&there, "link set lan0 up")?;
        }
        Ok(lan)
    }
}

impl Lan {
    /// What a shell command prints that is run on the machine.
    pub fn sh(&self, script: &str) -> Result<String> {
        let net = format!("--net={}", self.outside.display());
        run(Command::new("nsenter").args([&net, "--", "sh", "-c", script]))
    }

    fn ip(&self, arguments: &str) -> Result<String> {
        ip(&self.outside, arguments)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.outside)) {
            eprintln!("the test's link could not be removed: {error:#}");
        }
    }
}

fn ip(namespace: &Path, arguments: &str) -> Result<String> {
    let net = format!("--net={}", namespace.display());
    run(Command::new("nsenter").args([&net, "--", "ip"]).args(arguments.split_whitespace()))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} can't be run"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
