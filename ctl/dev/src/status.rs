//! What there is of a development cluster at the moment.

use crate::{Cluster, Error, ProcessId, Roots, Subnet};
use proto::model::Role;
use std::net::Ipv4Addr;

/// A development cluster as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its network.
    pub subnet: Subnet,
    /// Its nodes, managers first.
    pub nodes: Vec<NodeStatus>,
}

/// One node as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// The role it was made with.
    pub role: Role,
    /// Its address.
    pub addr: Ipv4Addr,
    /// Its daemon, if that runs.
    pub daemon: Option<ProcessId>,
    /// Whether its link is there and not cut.
    pub is_linked: bool,
}

/// Looks at the cluster whose files lie in the folders, without asking its daemons; `None` if there
/// is none.
pub async fn status(roots: &Roots) -> Result<Option<Status>, Error> {
    let Some(cluster) = Cluster::open(roots)? else { return Ok(None) };
    let mut nodes = Vec::new();
    for node in cluster.nodes() {
        nodes.push(NodeStatus {
            name: node.name().to_owned(),
            role: node.role(),
            addr: node.addr(),
            daemon: node.daemon()?,
            is_linked: node.is_linked().await?,
        });
    }
    Ok(Some(Status { name: cluster.name().to_owned(), subnet: cluster.subnet(), nodes }))
}
