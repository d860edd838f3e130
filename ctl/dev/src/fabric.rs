//! The network between the nodes: a bridge in a namespace of its own, and a pair of ends from there
//! into the namespace of each node.

use crate::{
    LinkError, Roots, Subnet,
    links::{End, Links},
};
use std::{
    fs, io,
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use worker_network::{Namespace, NamespaceError};

/// The bridge.
const BRIDGE: &str = "bridge";
/// Each node's end, in its own namespace.
pub(crate) const NODE_END: &str = "eth0";
/// Whether a namespace passes packets on.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// Whether bridges of a namespace pass what they carry through the rules for IP packets. They are missing where the kernel
/// has not got them, and each namespace has its own.
const BRIDGE_FILTERS: [&str; 2] =
    ["/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"];

/// How long a link that is switched on may take to carry packets.
const CARRIER_PATIENCE: Duration = Duration::from_secs(10);
/// How often a link is looked at meanwhile.
const STEP: Duration = Duration::from_millis(10);

/// Says why the network between the nodes can't be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// A namespace can't be made or entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A link, address or route can't be made or changed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A link was switched on and does not come up.
    #[error(
        "the link of {node} carries nothing {CARRIER_PATIENCE:?} after it was switched on: switch on `{NODE_END}` in the node's namespace"
    )]
    NoCarrier {
        /// The node.
        node: String,
    },
    /// Packets that leave the network can't be refused.
    #[error("can't write `{FORWARDING}` in the cluster's own namespace")]
    Forwarding(#[source] io::Error),
    /// The bridge can't be made as plain as a switch.
    #[error("can't write `{path}` in the cluster's own namespace")]
    BridgeFilter {
        /// The setting.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Keeps packets between the nodes from the rules of the bridge's own namespace: a switch has none, and a node would pay
/// for them.
fn be_a_switch() -> Result<(), FabricError> {
    for path in BRIDGE_FILTERS.into_iter().filter(|path| Path::new(path).exists()) {
        fs::write(path, "0").map_err(|source| FabricError::BridgeFilter { path, source })?;
    }
    Ok(())
}

/// Where a node is plugged in.
pub(crate) struct Plug<'a> {
    /// The node's name, and the name of its port.
    pub node: &'a str,
    /// The last number of its addresses.
    pub number: u8,
}

/// The network between the nodes.
#[derive(Debug, Clone)]
pub(crate) struct Fabric {
    roots: Roots,
    subnet: Subnet,
}

impl Fabric {
    pub fn new(roots: Roots, subnet: Subnet) -> Self {
        Self { roots, subnet }
    }

    /// Makes the bridge's namespace and the bridge, if they are missing; tells whether they were.
    /// Without a link to the machine the bridge stands in for the gateway.
    pub async fn ensure(&self, host_link: bool) -> Result<bool, FabricError> {
        let path = self.roots.fabric();
        let is_new = !Namespace::is_bound(&path)?;
        let namespace = Namespace::create(&path).await?;
        let links = Links::of(&namespace).await?;
        let had_bridge = links.find(BRIDGE).await?.is_some();
        if !had_bridge {
            links.add_bridge(BRIDGE).await?;
            namespace.run(be_a_switch).await??;
        }
        if !host_link {
            links.add_address(BRIDGE, self.subnet.gateway().into()).await?;
            // A router without a route says so at once; without forwarding it would stay silent, and
            // a node that asks for the world outside would wait for a timeout.
            namespace.run(|| fs::write(FORWARDING, "1")).await?.map_err(FabricError::Forwarding)?;
        }
        Ok(is_new || !had_bridge)
    }

    /// Makes a node's namespace and its link, if they are missing; tells whether they were.
    pub async fn plug_in(&self, plug: &Plug<'_>) -> Result<bool, FabricError> {
        let inside = Namespace::create(&self.roots.namespace(plug.node)).await?;
        let links = Links::of(&inside).await?;
        if links.find(NODE_END).await?.is_some() {
            return Ok(false);
        }
        let fabric = self.links().await?;
        // A port whose node's namespace is being taken down by the kernel may still be there.
        fabric.delete(plug.node).await?;
        fabric.add_port(plug.node, BRIDGE, End { name: NODE_END, namespace: &inside }).await?;
        links.set("lo", true).await?;
        links.set(NODE_END, true).await?;
        links.add_address(NODE_END, self.subnet.host(plug.number).into()).await?;
        // The folder is missing on a machine without IPv6.
        if Path::new("/proc/sys/net/ipv6").exists() {
            links.add_address(NODE_END, IpAddr::V6(self.subnet.host_v6(plug.number))).await?;
        }
        links.add_default_route(self.subnet.gateway()).await?;
        Ok(true)
    }

    /// Takes a node's namespace and link away. What still runs in it keeps the namespace alive, but
    /// has no link any more.
    pub async fn unplug(&self, node: &str) -> Result<(), FabricError> {
        self.links().await?.delete(node).await?;
        Namespace::remove(&self.roots.namespace(node))?;
        Ok(())
    }

    /// Switches a node's link on or off, at the bridge: the node sees it as a cable pulled. Returns
    /// when a link that was switched on carries packets.
    pub async fn set_link(&self, node: &str, on: bool) -> Result<(), FabricError> {
        let links = self.links().await?;
        links.set(node, on).await?;
        if !on {
            return Ok(());
        }
        // The kernel tells the bridge of the carrier up to a second later.
        let deadline = Instant::now() + CARRIER_PATIENCE;
        while !links.is_on(node).await? {
            if Instant::now() > deadline {
                return Err(FabricError::NoCarrier { node: node.to_owned() });
            }
            sleep(STEP).await;
        }
        Ok(())
    }

    /// Whether a node's link is there and carries packets.
    pub async fn is_linked(&self, node: &str) -> Result<bool, FabricError> {
        if !Namespace::is_bound(&self.roots.fabric())? {
            return Ok(false);
        }
        Ok(self.links().await?.is_on(node).await?)
    }

    /// Whether there is a port of this name.
    pub async fn has_port(&self, port: &str) -> Result<bool, FabricError> {
        Ok(self.links().await?.find(port).await?.is_some())
    }

    /// Makes a port whose other end is in another namespace.
    pub async fn add_port(&self, port: &str, other: End<'_>) -> Result<(), FabricError> {
        Ok(self.links().await?.add_port(port, BRIDGE, other).await?)
    }

    async fn links(&self) -> Result<Links, FabricError> {
        Ok(Links::of(&Namespace::open(&self.roots.fabric())?).await?)
    }
}
