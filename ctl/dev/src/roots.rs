//! Where the files of a development cluster lie.
//!
//! ```text
//! <run>/netns/fabric, <run>/netns/m1 ...  namespaces, bound to files
//! <run>/m1/                               the daemon's run folder: shoal.sock, daemon.pid, daemon.log
//! <run>/host-link                         is there from before the link to the machine is made
//! <data>/cluster.json                     what the cluster is made of
//! <data>/m1/                              the daemon's data folder
//! <data>/images/                          the images, shared by all nodes
//! ```

use std::{
    io,
    path::{Path, PathBuf},
};

/// The two folders of a development cluster: what ends with the machine's uptime, and what lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    run: PathBuf,
    data: PathBuf,
}

impl Roots {
    /// Takes both folders; they need not exist.
    pub fn new(run: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self { run: run.into(), data: data.into() }
    }

    /// The folders that a cluster of this name has if nothing else is asked for.
    pub fn of_name(name: &str) -> Self {
        Self { run: Path::new("/run/shoal").join(name), data: Path::new("/var/lib/shoal").join(name) }
    }

    /// What ends with the machine's uptime.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// What lasts.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The same folders without symbolic links, as the kernel names them in its list of mounts.
    pub(crate) fn resolved(&self) -> io::Result<Self> {
        let resolve = |path: &Path| match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
            other => other,
        };
        Ok(Self { run: resolve(&self.run)?, data: resolve(&self.data)? })
    }

    pub(crate) fn namespaces(&self) -> PathBuf {
        self.run.join("netns")
    }

    pub(crate) fn fabric(&self) -> PathBuf {
        self.namespaces().join("fabric")
    }

    pub(crate) fn namespace(&self, node: &str) -> PathBuf {
        self.namespaces().join(node)
    }

    pub(crate) fn node_run(&self, node: &str) -> PathBuf {
        self.run.join(node)
    }

    pub(crate) fn node_data(&self, node: &str) -> PathBuf {
        self.data.join(node)
    }

    pub(crate) fn socket(&self, node: &str) -> PathBuf {
        self.node_run(node).join("shoal.sock")
    }

    pub(crate) fn pid_file(&self, node: &str) -> PathBuf {
        self.node_run(node).join("daemon.pid")
    }

    pub(crate) fn log(&self, node: &str) -> PathBuf {
        self.node_run(node).join(LOG)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.data.join("images")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.data.join("cluster.json")
    }

    pub(crate) fn host_link_mark(&self) -> PathBuf {
        self.run.join("host-link")
    }
}

/// The name of a daemon's log in its run folder.
pub(crate) const LOG: &str = "daemon.log";
