//! What every task of the node is made with: images, network, containers, volumes, the ledger.

use crate::{
    config::WorkerConfig,
    ledger::Ledger,
    name_servers::NameServers,
    networks::Networks,
    payload_files::PayloadFiles,
    payloads::Payloads,
    task_files::{RESOLV_CONF, TaskFiles},
    volumes::Volumes,
};
use oci_spec::runtime::Capability;
use proto::model::{NodeDescription, TaskId};
use std::{fs, panic, path::Path, sync::Arc};
use tokio::task::spawn_blocking;
use tracing::warn;
use worker_core::oci_spec::capabilities_from_mask;
use worker_images::{ImageStore, PullOptions};
use worker_network::Network;
use worker_runtime::Runtime;

/// The node's own facilities, shared by all its tasks.
pub(crate) struct Node {
    pub images: ImageStore,
    pub pull: PullOptions,
    pub network: Network,
    pub networks: Arc<Networks>,
    pub name_servers: NameServers,
    pub runtime: Runtime,
    pub volumes: Volumes,
    pub files: TaskFiles,
    pub payloads: Arc<Payloads>,
    pub payload_files: PayloadFiles,
    pub ledger: Ledger,
    /// What the node says of itself.
    pub description: NodeDescription,
    /// What the daemon may hand on to containers.
    pub capabilities: Vec<Capability>,
}

impl Node {
    /// Puts together what a node has.
    pub(crate) fn new(
        config: &WorkerConfig,
        images: ImageStore,
        network: Network,
        runtime: Runtime,
        ledger: Ledger,
        networks: Networks,
    ) -> Self {
        Self {
            images,
            pull: PullOptions { insecure: config.insecure_registries.clone(), auth: None },
            network,
            networks: Arc::new(networks),
            name_servers: NameServers::new(&config.network.nft, Path::new(RESOLV_CONF)),
            runtime,
            volumes: Volumes::new(&config.data_dir),
            files: TaskFiles::new(&config.data_dir),
            payloads: Arc::default(),
            payload_files: PayloadFiles::new(&config.data_dir),
            ledger,
            description: config.description.clone(),
            capabilities: own_capabilities(),
        }
    }

    /// Takes back what a task's container holds on the node, besides its folder: secrets and configs, ports, addresses,
    /// and the note of the latter. What fails is tried again when the task is removed.
    pub(crate) async fn give_back(self: &Arc<Self>, task: TaskId) {
        self.name_servers.close(task).await;
        let node = self.clone();
        if let Err(error) = blocking(move || node.payload_files.remove(task)).await {
            warn!(%task, error = %crate::chain::Chain(&error), "container's secrets and configs could not be removed");
        }
        if let Err(error) = self.network.detach(&task.to_string()).await {
            warn!(%task, error = %crate::chain::Chain(&error), "container's network could not be given back");
            return;
        }
        let node = self.clone();
        if let Err(error) = blocking(move || node.ledger.release(task)).await {
            warn!(%task, error = %crate::chain::Chain(&error), "what the container held could not be struck out");
        }
    }
}

/// Does something that waits for the disk on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        // Never aborted: it can only have panicked.
        Err(failed) => panic::resume_unwind(failed.into_panic()),
    }
}

/// What this process holds and could hand on: a daemon in a container may lack some.
fn own_capabilities() -> Vec<Capability> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let (held, bound) = (mask("CapPrm:").unwrap_or(0), mask("CapBnd:").unwrap_or(0));
    capabilities_from_mask(held & bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_of_root_can_hand_on_what_containers_have_by_default() {
        assert!(own_capabilities().contains(&Capability::Chown));
    }
}
