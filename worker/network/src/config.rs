//! What a node's network is made from.

use std::path::{Path, PathBuf};

use proto::model::NetworkId;
use worker_core::network::names::SANDBOX_FILE;
use worker_core::network::{Ipv4Subnet, Ipv6Subnet, NameError, NodeShort, TaskShort};
use worker_core::overlay::names::sandbox_file;

/// The settings of one daemon's network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// The node's id; its first 8 characters go into names in the kernel, all of it into the uplink's alias.
    pub node_id: String,
    /// The daemon's run folder; namespaces are bound below `netns/` in it.
    pub run_dir: PathBuf,
    /// The namespace that plays the host; `None` means the one the daemon runs in.
    pub host_netns: Option<PathBuf>,
    /// Where containers' IPv4 addresses come from.
    pub ipv4: Ipv4Subnet,
    /// Where containers' IPv6 addresses come from, on kernels that have IPv6.
    pub ipv6: Ipv6Subnet,
    /// The nft program, looked up in `PATH` when it is a bare name.
    pub nft: PathBuf,
}

impl NetworkConfig {
    /// Uses the defaults for all but the node's id and the daemon's run folder.
    pub fn new(node_id: impl Into<String>, run_dir: impl Into<PathBuf>) -> Self {
        Self {
            node_id: node_id.into(),
            run_dir: run_dir.into(),
            host_netns: None,
            ipv4: Ipv4Subnet::default(),
            ipv6: Ipv6Subnet::default(),
            nft: PathBuf::from("nft"),
        }
    }

    pub(crate) fn node(&self) -> Result<NodeShort, NameError> {
        NodeShort::of(&self.node_id)
    }

    pub(crate) fn netns_dir(&self) -> PathBuf {
        self.run_dir.join("netns")
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        self.netns_dir().join(SANDBOX_FILE)
    }

    pub(crate) fn host(&self) -> &Path {
        // Not a thread's own namespace: the daemon's threads never leave the one the process was started in.
        self.host_netns.as_deref().unwrap_or(Path::new("/proc/self/ns/net"))
    }

    /// The alias of the uplink, which tells whose it is when two nodes share the first 8 characters.
    pub(crate) fn uplink_alias(&self) -> String {
        format!("shoal node {}", self.node_id)
    }

    pub(crate) fn netns_of_network(&self, network: NetworkId) -> PathBuf {
        self.netns_dir().join(sandbox_file(network))
    }

    pub(crate) fn netns_of(&self, task: &TaskShort) -> PathBuf {
        self.netns_dir().join(task.as_str())
    }
}
