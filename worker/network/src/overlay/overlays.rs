//! All networks of this node that span nodes: told of, joined, left, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::model::{NetworkId, NetworkTable, TaskId};
use tokio::sync::OwnedMutexGuard;
use tracing::{info, warn};
use worker_core::network::InterfaceAddress;
use worker_core::overlay::names::network_of_file;
use worker_core::overlay::{Container, Interface, container_addresses};

use crate::config::NetworkConfig;
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::open::names_in;
use crate::overlay::error::OverlayError;
use crate::overlay::host_side::HostSide;
use crate::overlay::mesh;
use crate::overlay::settle::{Ground, Overlay};
use crate::overlay::underlay::Underlay;
use crate::repairs::Inspection;

type Entry = Arc<tokio::sync::Mutex<Overlay>>;

/// The networks of one node that span nodes.
///
/// Calls for different networks may overlap; those for one network wait for each other. A call that was cancelled
/// half-way is made good by the next one for the same network.
#[derive(Debug)]
pub struct Overlays {
    config: NetworkConfig,
    host: HostSide,
    nft: Nft,
    networks: Mutex<BTreeMap<NetworkId, Entry>>,
}

impl Overlays {
    /// Finds the sandboxes that an earlier daemon left; what they should hold is known with the first [`Overlays::apply`].
    pub(crate) async fn open(
        config: &NetworkConfig,
        host: HostSide,
        nft: Nft,
        held: &BTreeSet<String>,
        joined: BTreeMap<NetworkId, BTreeMap<TaskId, Container>>,
    ) -> Result<Self, OverlayError> {
        let mut networks: BTreeMap<NetworkId, Overlay> = BTreeMap::new();
        let names = names_in(&config.netns_dir())
            .map_err(|source| OverlayError::Folder { source: Box::new(source) })?;
        for network in names.iter().filter_map(|name| network_of_file(name)) {
            let path = config.netns_of_network(network);
            let held = |task: TaskId| held.contains(&task.to_string());
            match Overlay::take_over(network, &path, &host.alarms, held).await {
                Ok(Some(overlay)) => drop(networks.insert(network, overlay)),
                Ok(None) => {}
                Err(error) => {
                    // The others are not to suffer. It is set up as a new one would be, once the managers tell of it.
                    warn!(%network, %error, reason = ?error.source(), "network could not be taken over");
                    networks.insert(network, Overlay::new(network));
                }
            }
        }
        // Links that were lost with all that told of them, as in a crash or with the sandbox.
        for (network, containers) in joined {
            let overlay = networks.entry(network).or_insert_with(|| Overlay::new(network));
            for (task, container) in containers {
                overlay.containers.entry(task).or_insert(container);
            }
        }
        let entry = |(network, overlay)| (network, Arc::new(tokio::sync::Mutex::new(overlay)));
        let networks = Mutex::new(networks.into_iter().map(entry).collect());
        let overlays = Self { config: config.clone(), host, nft, networks };
        overlays.close_lost_gate().await?;
        Ok(overlays)
    }

    /// Takes the gate away that an earlier daemon left, if the sandbox it led to is gone: nobody else answers for the
    /// ports, not even a program of the host.
    async fn close_lost_gate(&self) -> Result<(), OverlayError> {
        for network in self.list() {
            let entry = self.lock(network).await;
            let Some(sandbox) = &entry.sandbox else { continue };
            if mesh::is_linked(sandbox).await.map_err(OverlayError::failed("examine", network))? {
                return Ok(());
            }
        }
        mesh::remove(self.ground()).await.map_err(|fault| OverlayError::Gate { source: Box::new(fault) })
    }

    /// Makes this node's part of a network what the managers say; tells whether anything had to be changed.
    ///
    /// Connections under way go on, but those balanced to a backend that is none any more are reset with their next
    /// packet. Calling it again after an error starts from what the kernel has.
    pub async fn apply(&self, table: &NetworkTable) -> Result<bool, OverlayError> {
        let ground = self.ground();
        let mut overlay = self.lock(table.info.id).await;
        let mut table = table.clone();
        // Networks are IPv4 only on a kernel without IPv6, whatever else they are elsewhere.
        if !self.host.ipv6 {
            table.info.ipv6 = None;
        }
        overlay.table = Some(table);
        overlay.let_go_of_lost(ground);
        Ok(overlay.settle(ground).await? > 0)
    }

    /// Removes a network from this node; containers that are still in it lose their link. Nothing happens when it is not
    /// there.
    pub async fn remove(&self, network: NetworkId) -> Result<(), OverlayError> {
        let mut overlay = self.lock(network).await;
        overlay.raze(self.ground()).await?;
        overlay.retired = true;
        self.networks().remove(&network);
        Ok(())
    }

    /// Gives a container, whose namespace is there, an interface in a network, and returns the interface's addresses;
    /// one that has it keeps it. The interface leads to the network's subnets only, that
    /// of the ingress network to clients of published ports only.
    pub async fn join(
        &self,
        task: TaskId,
        network: NetworkId,
        number: u32,
        interface: Interface,
    ) -> Result<Vec<InterfaceAddress>, OverlayError> {
        let ground = self.ground();
        let mut overlay = self.lock(network).await;
        let Some(table) = &overlay.table else {
            return Err(OverlayError::Unknown { task, network });
        };
        let addresses = container_addresses(&table.info, number);
        let before = overlay.containers.insert(task, Container { number, interface });
        if let Err(error) = overlay.settle(ground).await {
            if let Err(error) = overlay.let_go(task, ground).await {
                warn!(%task, %network, %error, "a failed join could not be taken back");
            }
            return Err(error);
        }
        if before.is_none() {
            info!(%task, %network, number, %interface, "container joined");
        }
        Ok(addresses)
    }

    /// Takes a container's interface in a network back; nothing happens when it has none there.
    pub async fn leave(&self, task: TaskId, network: NetworkId) -> Result<(), OverlayError> {
        let ground = self.ground();
        let mut overlay = self.lock(network).await;
        if overlay.containers.contains_key(&task) {
            overlay.let_go(task, ground).await?;
            info!(%task, %network, "container left");
        }
        Ok(())
    }

    /// Looks what of a network is not as it should be, and changes nothing; `None` when it is not here.
    pub async fn inspect(&self, network: NetworkId) -> Option<Result<Inspection, OverlayError>> {
        let entry = self.networks().get(&network).cloned()?;
        let mut overlay = entry.lock().await;
        Some(overlay.inspect(self.ground()).await)
    }

    /// Puts back what of a network is not as it was made.
    pub(crate) async fn repair(&self, network: NetworkId) -> Result<(), OverlayError> {
        let entry = self.networks().get(&network).cloned();
        match entry {
            Some(entry) => entry.lock().await.repair(self.ground()).await,
            None => Ok(()),
        }
    }

    /// Puts back what containers have lost of a network; tells of each network what came of it.
    pub(crate) async fn repair_inside(&self) -> Vec<(NetworkId, Result<(), OverlayError>)> {
        let mut tried = Vec::new();
        for (network, entry) in self.entries() {
            tried.push((network, entry.lock().await.repair_inside(self.ground()).await));
        }
        tried
    }

    /// Binds the sandbox of every network to its file again if somebody unbound it; tells of each file what came of it.
    pub(crate) async fn put_in_place(&self) -> Vec<(PathBuf, Result<(), OverlayError>)> {
        let mut put = Vec::new();
        for (network, entry) in self.entries() {
            put.push((self.config.netns_of_network(network), entry.lock().await.put_in_place()));
        }
        put
    }

    /// Sees to it that changes of every sandbox are noticed.
    pub(crate) async fn renew_watches(&self) {
        for (_, entry) in self.entries() {
            if let Some(sandbox) = &mut entry.lock().await.sandbox {
                sandbox.watch.renew().await;
            }
        }
    }

    /// Returns the networks that a change on the host may have something to do with.
    pub(crate) async fn concerned_by_host(&self) -> Vec<NetworkId> {
        let underlay = Underlay::read(&self.host.links).await.ok();
        let mut found = Vec::new();
        for (id, entry) in self.entries() {
            if entry.lock().await.is_concerned_by_host(self.ground(), underlay.as_ref()) {
                found.push(id);
            }
        }
        found
    }

    fn entries(&self) -> Vec<(NetworkId, Entry)> {
        self.networks().iter().map(|(id, entry)| (*id, entry.clone())).collect()
    }

    /// Returns the networks this node has sandboxes of or was told of.
    pub fn list(&self) -> Vec<NetworkId> {
        self.networks().keys().copied().collect()
    }

    /// Returns the containers in a network and their places there.
    pub async fn containers(&self, network: NetworkId) -> BTreeMap<TaskId, Container> {
        let entry = self.networks().get(&network).cloned();
        match entry {
            Some(entry) => entry.lock().await.containers.clone(),
            None => BTreeMap::new(),
        }
    }

    /// Returns the sandbox of a network.
    pub async fn sandbox(&self, network: NetworkId) -> Option<Namespace> {
        let entry = self.networks().get(&network).cloned()?;
        let overlay = entry.lock().await;
        overlay.sandbox.as_ref().map(|sandbox| sandbox.namespace.clone())
    }

    /// Takes back all of a task's interfaces.
    pub(crate) async fn leave_all(&self, task: &str) -> Result<(), OverlayError> {
        // A task whose id no cluster gave is in no network.
        let Ok(task) = task.parse::<TaskId>() else { return Ok(()) };
        for network in self.list() {
            if self.containers(network).await.contains_key(&task) {
                self.leave(task, network).await?;
            }
        }
        Ok(())
    }

    fn ground(&self) -> Ground<'_> {
        Ground { config: &self.config, host: &self.host, nft: &self.nft }
    }

    /// Waits for a network's turn; makes an entry for one that has none.
    async fn lock(&self, network: NetworkId) -> OwnedMutexGuard<Overlay> {
        loop {
            let fresh = || Arc::new(tokio::sync::Mutex::new(Overlay::new(network)));
            let entry = self.networks().entry(network).or_insert_with(fresh).clone();
            let overlay = entry.lock_owned().await;
            if !overlay.retired {
                return overlay;
            }
        }
    }

    fn networks(&self) -> MutexGuard<'_, BTreeMap<NetworkId, Entry>> {
        // Every change of the map is complete before anything can panic.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
