//! The daemon's settings.

use std::{collections::BTreeMap, path::PathBuf};

/// Where nodes reach a manager unless something else is said.
pub const DEFAULT_PORT: u16 = 2377;

/// What a daemon needs to know before it starts. Whether it is in a cluster, and as what, is in its
/// data folder.
#[derive(Debug, Clone)]
pub struct DaemonConfig {
    /// Where everything is kept that has to outlast the machine's next start.
    pub data_dir: PathBuf,
    /// Where sockets and namespaces are; may be emptied when the machine starts.
    pub run_dir: PathBuf,
    /// The unix socket to listen on.
    pub socket: PathBuf,
    /// Where images are; daemons on one machine may share it.
    pub image_dir: PathBuf,
    /// The node's name, the machine's host name by default.
    pub hostname: String,
    /// Labels that constraints can ask for as `engine.labels.NAME`.
    pub labels: BTreeMap<String, String>,
    /// Registries, as `HOST[:PORT]`, that are spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// This program, to start it again as a container's shim.
    pub program: PathBuf,
    /// This program's version.
    pub version: String,
}

impl DaemonConfig {
    /// Where the manager's log and snapshots are.
    pub fn manager_dir(&self) -> PathBuf {
        self.data_dir.join("manager")
    }

    /// Where the node's certificate and membership are.
    pub fn identity_dir(&self) -> PathBuf {
        self.data_dir.join("identity")
    }
}
