//! A real registry on a node's loopback, which nobody else can reach.

use super::damage_largest;
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tests::{
    cluster::{SOON, TestCluster},
    images,
};

/// Each node has a network namespace of its own, so the port is always free.
pub const ADDR: &str = "127.0.0.1:5000";

/// Debian's docker-registry, ended with the test.
pub struct Registry {
    process: Child,
    root: PathBuf,
}

impl Registry {
    /// Starts a registry in the network namespace of the first manager and waits until it answers.
    pub fn start(cluster: &TestCluster) -> Result<Self> {
        let root = cluster.dir().join("registry");
        fs::create_dir(&root)?;
        let config = root.join("config.yml");
        let storage = root.display();
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: error\nhttp:\n  addr: {ADDR}\n\
                 storage:\n  filesystem:\n    rootdirectory: {storage}\n"
            ),
        )?;
        let log = File::create(root.join("log"))?;
        let started = cluster.node("m1").exec_in_netns(move || {
            let mut registry = Command::new("docker-registry");
            registry.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none").stdin(Stdio::null());
            registry.stdout(log.try_clone()?).stderr(log).spawn()
        });
        let process = cluster.on(started)?.context("docker-registry can't be run: install it")?;
        let registry = Self { process, root };
        let addr: SocketAddr = ADDR.parse()?;
        cluster.wait_until("the registry answers", SOON, || {
            let connected = cluster.node("m1").exec_in_netns(move || TcpStream::connect(addr).is_ok());
            cluster.on(connected)
        })?;
        Ok(registry)
    }

    /// Pushes a docker-archive under a name such as `app:1`; returns what it is pulled by.
    pub fn push(&self, cluster: &TestCluster, archive: &Path, name: &str) -> Result<String> {
        let reference = format!("{ADDR}/{name}");
        let (from, to) = (format!("docker-archive:{}", archive.display()), format!("docker://{reference}"));
        cluster.on(cluster.node("m1").exec_in_netns(move || images::skopeo_copy(&from, &to)))??;
        Ok(reference)
    }

    /// Damages the largest blob that the registry keeps, without its noticing.
    pub fn damage_largest_blob(&self) -> Result<()> {
        let mut files = Vec::new();
        for prefix in fs::read_dir(self.root.join("docker/registry/v2/blobs/sha256"))? {
            for blob in fs::read_dir(prefix?.path())? {
                files.push(blob?.path().join("data"));
            }
        }
        damage_largest(files).map(drop)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
