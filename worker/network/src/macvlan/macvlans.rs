//! All networks of this node that are on a link of its own: told of, joined, left, removed.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::model::{Macvlan, NetworkId, NetworkInfo, NetworkKind, TaskId};
use tracing::info;
use worker_core::macvlan::container_addresses;
use worker_core::network::InterfaceAddress;
use worker_core::overlay::Interface;
use worker_core::overlay::names::short;

use crate::config::NetworkConfig;
use crate::links::Links;
use crate::macvlan::error::MacvlanError;
use crate::macvlan::member::{self, Member};
use crate::macvlan::parent::Parents;
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::repairs::Inspection;

/// The networks of one node that are on a link of its own.
#[derive(Debug)]
pub struct Macvlans {
    config: NetworkConfig,
    host: Links,
    nft: Nft,
    /// Whether the kernel has IPv6.
    ipv6: bool,
    known: Mutex<BTreeSet<NetworkId>>,
    /// Held while links of the node are changed: what is found there is true until it is made use of.
    changing: tokio::sync::Mutex<()>,
}

impl Macvlans {
    /// Finds the VLANs that an earlier daemon left.
    pub(crate) async fn open(
        config: &NetworkConfig,
        host: Links,
        nft: Nft,
        ipv6: bool,
    ) -> Result<Self, MacvlanError> {
        let known = Parents { links: &host, node: &config.node_id }.networks().await?;
        let (known, changing) = (Mutex::new(known), tokio::sync::Mutex::default());
        Ok(Self { config: config.clone(), host, nft, ipv6, known, changing })
    }

    /// Sees to it that this node has a network's link.
    pub async fn apply(&self, info: &NetworkInfo) -> Result<(), MacvlanError> {
        let macvlan = of(info)?;
        let _one_at_a_time = self.changing.lock().await;
        self.known().insert(info.id);
        self.parents().ensure(info.id, &macvlan.parent).await.map(drop)
    }

    /// Gives a container, whose namespace is there, an interface in a network, and returns the interface's addresses;
    /// `leads_out` tells whether the network's gateway is the container's way out.
    pub async fn join(
        &self,
        task: TaskId,
        info: &NetworkInfo,
        number: u32,
        interface: Interface,
        leads_out: bool,
    ) -> Result<Vec<InterfaceAddress>, MacvlanError> {
        let macvlan = of(info)?;
        let failed = |error| crate::macvlan::parent::failed("join", info.id, &macvlan.parent, error);
        let _one_at_a_time = self.changing.lock().await;
        let parent = self.parents().ensure(info.id, &macvlan.parent).await?;
        let namespace = Namespace::open(&self.config.netns_of(&short(task)));
        let namespace = namespace.map_err(|error| failed(crate::macvlan::MacvlanFault::from(error)))?;
        let mut addresses = container_addresses(info, number);
        addresses.retain(|held| self.ipv6 || held.address.is_ipv4());
        let member = Member {
            task,
            network: info.id,
            macvlan,
            namespace: &namespace,
            interface,
            addresses: &addresses,
            mtu: info.mtu,
            leads_out,
        };
        member.join(&self.host, &parent, &self.nft).await?;
        info!(%task, network = %info.id, number, %interface, link = %macvlan.parent, "container joined");
        Ok(addresses)
    }

    /// Removes a network from this node: its VLAN, if it had one made.
    pub async fn remove(&self, network: NetworkId) -> Result<(), MacvlanError> {
        let _one_at_a_time = self.changing.lock().await;
        self.parents().release(network).await?;
        self.known().remove(&network);
        Ok(())
    }

    /// Returns the networks this node has a VLAN for or was told of.
    pub fn list(&self) -> Vec<NetworkId> {
        self.known().iter().copied().collect()
    }

    /// Looks what a network lacks on this node, and changes nothing; links of the node are not put back.
    pub async fn inspect(&self, info: &NetworkInfo) -> Result<Inspection, MacvlanError> {
        let differences = self.parents().differences(info.id, &of(info)?.parent).await?;
        Ok(Inspection { differences, ..Inspection::default() })
    }

    /// Takes a container's interfaces in such networks back; nothing happens when it has none.
    pub(crate) async fn leave_all(&self, namespace: &Namespace) -> Result<(), MacvlanError> {
        let cut = member::cut(namespace).await;
        cut.map_err(|source| MacvlanError::Links { verb: "remove", source })
    }

    fn parents(&self) -> Parents<'_> {
        Parents { links: &self.host, node: &self.config.node_id }
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<NetworkId>> {
        // Every change of the set is complete before anything can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(info: &NetworkInfo) -> Result<&Macvlan, MacvlanError> {
    match &info.kind {
        NetworkKind::Macvlan(macvlan) => Ok(macvlan),
        NetworkKind::Overlay | NetworkKind::Bridge => Err(MacvlanError::OtherKind(info.id)),
    }
}
