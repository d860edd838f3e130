//! What a worker is told, and what it is given.

use crate::{connect::Connector, session::Jitter};
use proto::model::NodeDescription;
use std::{path::PathBuf, sync::Arc};
use worker_images::ImageStore;
use worker_network::NetworkConfig;

/// The settings of one node's worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where it keeps its ledger, containers and volumes.
    pub data_dir: PathBuf,
    /// What it says of itself; see [`describe`](crate::describe).
    pub description: NodeDescription,
    /// Registries that are spoken to without TLS, each a host or a host with port.
    pub insecure_registries: Vec<String>,
    /// The program whose hidden command `shim` supervises a container; `/proc/self/exe` for the daemon's
    /// own, which stays the same program while a newer one is installed.
    pub shim_program: PathBuf,
    /// Its network; also names the node.
    pub network: NetworkConfig,
}

/// What a worker shares with the rest of the daemon.
pub struct Facilities {
    /// The images of the host.
    pub images: ImageStore,
    /// The way to the managers.
    pub connector: Arc<dyn Connector>,
    /// Random numbers for the back-off.
    pub jitter: Jitter,
}
