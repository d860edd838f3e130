//! Looking out of a container: commands of this machine in its network, with its name servers.

use super::{TestCluster, namespace_of};
use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};
use std::{fs, path::Path, process::Command};

/// A running container of a service.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its task.
    pub task: String,
    /// Its main process.
    pub pid: i32,
}

impl TestCluster {
    /// The running containers of a service.
    pub fn containers(&self, service: &str) -> Result<Vec<Container>> {
        self.containers_via("m1", service)
    }

    /// The same, asked through another manager.
    pub fn containers_via(&self, manager: &str, service: &str) -> Result<Vec<Container>> {
        let processes = self.processes(manager, service)?;
        Ok(processes.into_iter().map(|(task, pid)| Container { task, pid }).collect())
    }

    /// The only running container of a service.
    pub fn container(&self, service: &str) -> Result<Container> {
        let all = self.containers(service)?;
        ensure!(all.len() == 1, "{service} runs {} containers", all.len());
        all.into_iter().next().context("there is one")
    }
}

/// Does something in the network namespace that a file leads to.
pub(super) fn inside<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> Result<T> {
    let file = fs::File::open(namespace).with_context(|| namespace.display().to_string())?;
    // A thread of its own: the others stay where they are.
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            setns(&file, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        });
        worker.join().map_err(|_| anyhow!("what was to be done in {} panicked", namespace.display()))?
    })
}

impl Container {
    /// Does something in the container's network.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        inside(&namespace_of(self.pid), work)
    }

    /// What a shell command prints that sees the container's network and names, but this machine's
    /// programs: the container needs none.
    pub fn sh(&self, script: &str) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let mut mounts = String::new();
        for name in ["resolv.conf", "hosts"] {
            let copy = folder.path().join(name);
            fs::write(&copy, fs::read(format!("/proc/{}/root/etc/{name}", self.pid))?)?;
            mounts += &format!("mount --bind {} /etc/{name} && ", copy.display());
        }
        let script = format!("{mounts}{script}");
        let net = format!("--net=/proc/{}/ns/net", self.pid);
        let output =
            Command::new("nsenter").args([&net, "--", "unshare", "--mount", "sh", "-c", &script]).output()?;
        ensure!(
            output.status.success(),
            "`{script}` in {} of task {}: {}",
            net,
            self.task,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// What is answered to an HTTP request.
    pub fn http(&self, url: &str) -> Result<String> {
        self.sh(&format!("curl --globoff --silent --show-error --fail --max-time 5 '{url}'"))
    }

    /// The addresses of a name, sorted.
    pub fn resolve(&self, name: &str) -> Result<Vec<String>> {
        let found = self.sh(&format!("getent ahosts {name}"))?;
        let mut addresses: Vec<String> =
            found.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }
}
