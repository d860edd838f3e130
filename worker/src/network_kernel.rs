//! What networks of the cluster are carried out in: this node's kernel, beside programs of its own.

use crate::{every_nodes_ports::EveryNodesPorts, executor::Node};
use proto::model::{NetworkId, NetworkKind, NetworkTable};
use tokio::sync::Mutex;
use worker_network::{MacvlanError, Network, OverlayError};

/// What networks are carried out in.
pub(crate) trait Kernel {
    /// The networks it holds anything of, those of an earlier daemon among them.
    fn list(&self) -> Vec<NetworkId>;
    /// Makes a network what the managers say.
    async fn apply(&self, table: &NetworkTable) -> Result<Extent, KernelError>;
    /// Removes a network.
    async fn remove(&self, id: NetworkId) -> Result<(), KernelError>;
}

/// Says why a network can't be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error(transparent)]
    Macvlan(#[from] MacvlanError),
}

/// How much of a network could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// All but published ports that programs of the node listen on, which are to be tried again.
    ButPorts,
}

/// The kernel of this node.
pub(crate) struct NodeKernel<'a> {
    network: &'a Network,
    ports: Mutex<EveryNodesPorts>,
}

impl<'a> NodeKernel<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self { network: &node.network, ports: Mutex::new(EveryNodesPorts::kept_in(node.ledger.clone())) }
    }
}

impl Kernel for NodeKernel<'_> {
    fn list(&self) -> Vec<NetworkId> {
        let (overlays, macvlans) = (self.network.overlays(), self.network.macvlans());
        overlays.list().into_iter().chain(macvlans.list()).collect()
    }

    async fn apply(&self, table: &NetworkTable) -> Result<Extent, KernelError> {
        if let NetworkKind::Macvlan(_) = table.info.kind {
            self.network.macvlans().apply(&table.info).await?;
            return Ok(Extent::Whole);
        }
        let limited = self.ports.lock().await.limit(self.network.host(), table).await;
        self.network.overlays().apply(limited.as_ref().unwrap_or(table)).await?;
        Ok(if limited.is_some() { Extent::ButPorts } else { Extent::Whole })
    }

    async fn remove(&self, id: NetworkId) -> Result<(), KernelError> {
        if self.network.macvlans().list().contains(&id) {
            return Ok(self.network.macvlans().remove(id).await?);
        }
        self.network.overlays().remove(id).await?;
        self.ports.lock().await.network_removed(id).await;
        Ok(())
    }
}
