//! One network on this node: what is known of it, and what was applied last.

use std::collections::BTreeMap;
use std::mem;
use std::path::Path;

use proto::model::{NetworkId, NetworkTable, NodeId, TaskId};
use tracing::{debug, info, warn};
use worker_core::overlay::names::{TUNNEL, container_link, short};
use worker_core::overlay::{Container, Step, View};

use crate::alarms::Alarms;
use crate::config::NetworkConfig;
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::overlay::applied::{Applied, Work};
use crate::overlay::error::{OverlayError, OverlayFault};
use crate::overlay::host_side::HostSide;
use crate::overlay::mesh::{self, LoadedGate};
use crate::overlay::observe::containers;
use crate::overlay::perform::Hands;
use crate::overlay::sandbox::Sandbox;
use crate::overlay::underlay::Underlay;
use crate::repairs::Journal;
use crate::uplink::Uplink;

/// The MTU of networks whose packets do not leave the node, in bytes: Ethernet's, for programs that expect it.
const MTU_ON_NODE: u32 = 1500;

/// What all networks of a node have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a NetworkConfig,
    pub(crate) host: &'a HostSide,
    pub(crate) nft: &'a Nft,
}

impl Ground<'_> {
    pub(crate) fn node(&self) -> Result<NodeId, OverlayError> {
        let id = &self.config.node_id;
        id.parse().map_err(|_| OverlayError::Node { id: id.clone() })
    }
}

/// One network.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) network: NetworkId,
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) table: Option<NetworkTable>,
    pub(crate) containers: BTreeMap<TaskId, Container>,
    /// What the sandbox was made to hold.
    pub(crate) applied: Applied,
    /// The gate of the ingress network that the host has; `None` when it is not known: at the start, and after a failure.
    pub(crate) gate: Option<LoadedGate>,
    /// The link to the host, if this is the ingress network.
    pub(crate) uplink: Option<Uplink>,
    /// The MTU below the tunnel that it was made for, in bytes.
    pub(crate) below: Option<u32>,
    pub(crate) journal: Journal,
    /// Whether it was removed: who waited for it must look for it anew.
    pub(crate) retired: bool,
}

impl Overlay {
    pub(crate) fn new(network: NetworkId) -> Self {
        Self {
            network,
            sandbox: None,
            table: None,
            containers: BTreeMap::new(),
            applied: Applied::default(),
            gate: None,
            uplink: None,
            below: None,
            journal: Journal::default(),
            retired: false,
        }
    }

    /// Takes over the sandbox that an earlier daemon left, with the containers that are still held; links of others go. When
    /// nothing is bound to the sandbox's file any more, the file goes and there is nothing to take over.
    pub(crate) async fn take_over(
        network: NetworkId,
        path: &Path,
        alarms: &Alarms,
        held: impl Fn(TaskId) -> bool,
    ) -> Result<Option<Self>, OverlayError> {
        let taken = async {
            if !Namespace::is_bound(path)? {
                Namespace::remove(path)?;
                warn!(%network, "the network's sandbox is gone");
                return Ok(None);
            }
            let sandbox = Sandbox::of(Namespace::open(path)?, network, alarms).await?;
            let links = &sandbox.links;
            let mut present = containers(links).await?;
            for (task, _) in present.extract_if(.., |task, _| !held(*task)) {
                warn!(%network, %task, "link of no known task removed");
                links.delete(&container_link(task)).await?;
            }
            Ok::<_, OverlayFault>(Some((sandbox, present)))
        };
        let taken = taken.await.map_err(OverlayError::failed("take over", network))?;
        Ok(taken.map(|(sandbox, containers)| Self {
            sandbox: Some(sandbox),
            containers,
            ..Self::new(network)
        }))
    }

    /// Lets go of containers whose namespace is gone: none of them may keep the others' network from being changed.
    pub(crate) fn let_go_of_lost(&mut self, ground: Ground<'_>) {
        let network = self.network;
        self.containers.retain(|&task, _| {
            // One that can't be looked at is left alone.
            let file = ground.config.netns_of(&short(task));
            let is_there = Namespace::is_bound(&file).unwrap_or(true)
                || ground.host.containers.bring_back(&task.to_string());
            if !is_there {
                warn!(%task, %network, "container's namespace is gone: its interface is given up");
            }
            is_there
        });
    }

    /// Makes the kernel hold what the table and the containers ask for; tells how many steps it took.
    pub(crate) async fn settle(&mut self, ground: Ground<'_>) -> Result<usize, OverlayError> {
        let network = self.network;
        let Some(table) = &self.table else { return Ok(0) };
        let (node, underlay_mtu) = (ground.node()?, self.underlay_mtu(ground, table).await?);
        let mut view = View { node, table, containers: &self.containers, underlay_mtu, uplink: None };
        view.check()?;
        let failed = |fault: OverlayFault| OverlayError::failed("set up", network)(fault);
        if self.sandbox.is_none() {
            let made = Sandbox::make(ground, &table.info).await;
            self.sandbox = Some(made.map_err(failed)?);
        }
        let sandbox = self.sandbox.as_ref().expect("the sandbox was just made");
        if table.info.ingress {
            let uplink = mesh::uplink(ground, sandbox, self.uplink).await.map_err(failed)?;
            self.uplink = Some(uplink);
            view.uplink = Some(uplink.addresses);
        }
        let applied = mem::take(&mut self.applied);
        let found = match applied.kernel() {
            Some(_) => None,
            None => Some(sandbox.clean(ground, &table.info).await.map_err(failed)?.kernel),
        };
        let (known, is_known) = (applied.out_of_reach().cloned(), found.is_none());
        let Work { plan, steps, mut rules } = applied.work(&view, found)?;
        let nodes = &plan.desired().out_of_reach;
        if known.as_ref() != Some(nodes) && !nodes.is_empty() {
            warn!(%network, ?nodes, "nodes are out of reach: their data path is of the other address family");
        }
        let mut done = steps.len();
        let is_made_anew = |step: &Step| matches!(step, Step::RemoveTunnel | Step::AddTunnel(_));
        if table.info.ingress && steps.iter().any(is_made_anew) {
            // Rules that hang on a tunnel go with it, and nobody else did that.
            rules = None;
        }
        if !steps.is_empty() {
            let common = (ground.config, ground.nft, ground.host);
            let place = (&sandbox.namespace, &sandbox.links);
            let hands = Hands::new(common, (&table.info, plan.clone(), rules), place).await;
            let mut hands = hands.map_err(|error| failed(error.into()))?;
            for step in &steps {
                debug!(%network, ?step, "network changes");
                hands.perform(step).await?;
            }
            rules = hands.loaded;
            self.journal.note(&network, &hands.undone);
        }
        if !is_known {
            sandbox.settle_links(&table.info, &plan.desired().kernel).await.map_err(failed)?;
        }
        // Last: a port is never handed to a sandbox that does not know it yet.
        if let Some(gate) = mesh::gate(ground, &plan.desired().rules).map_err(failed)? {
            let (gate, change) = mesh::load_gate(ground, self.gate.take(), gate).await.map_err(failed)?;
            done += usize::from(change.is_some());
            self.journal.note(&network, &change.unwrap_or_default());
            self.gate = Some(gate);
        }
        self.applied = Applied::all_of(plan, rules);
        self.below = Some(underlay_mtu);
        Ok(done)
    }

    /// Takes a container out. Where the rest cannot be settled, its link goes all the same: a task must be able to end
    /// although the managers are silent or the host has lost its address. The next [`Overlay::settle`] tidies up.
    pub(crate) async fn let_go(&mut self, task: TaskId, ground: Ground<'_>) -> Result<(), OverlayError> {
        let network = self.network;
        let held = self.containers.remove(&task);
        if self.table.is_some() {
            match self.settle(ground).await {
                Ok(_) => return Ok(()),
                Err(error) => warn!(%network, %task, %error, "network not settled as a container leaves"),
            }
        }
        let cut = self.cut(task).await;
        if let (Err(_), Some(held)) = (&cut, held) {
            // So that leaving can be tried again.
            self.containers.insert(task, held);
        }
        cut
    }

    async fn cut(&mut self, task: TaskId) -> Result<(), OverlayError> {
        self.applied = Applied::default();
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        let cut = sandbox.links.delete(&container_link(task)).await;
        cut.map_err(OverlayError::failed("leave", self.network))
    }

    /// Deletes the sandbox and all that is in it.
    pub(crate) async fn raze(&mut self, ground: Ground<'_>) -> Result<(), OverlayError> {
        let network = self.network;
        (self.applied, self.table) = (Applied::default(), None);
        let had_gate = self.gate.take().is_some();
        self.uplink = None;
        let failed = |fault: OverlayFault| OverlayError::failed("remove", network)(fault);
        let linked = match &self.sandbox {
            Some(sandbox) => mesh::is_linked(sandbox).await.map_err(|error| failed(error.into()))?,
            None => false,
        };
        if linked || had_gate {
            mesh::remove(ground).await.map_err(failed)?;
        }
        if let Some(sandbox) = &self.sandbox {
            let names = self.containers.keys().map(|task| container_link(*task));
            for name in names.chain([TUNNEL.to_owned()]) {
                sandbox.links.delete(&name).await.map_err(OverlayError::failed("remove", network))?;
            }
        }
        self.containers.clear();
        self.sandbox = None;
        if Namespace::remove(&ground.config.netns_of_network(network))
            .map_err(OverlayError::failed("remove", network))?
        {
            info!(%network, "network removed");
        }
        Ok(())
    }

    pub(crate) async fn underlay_mtu(
        &self,
        ground: Ground<'_>,
        table: &NetworkTable,
    ) -> Result<u32, OverlayError> {
        let network = self.network;
        if table.info.kind.is_local() {
            return Ok(MTU_ON_NODE);
        }
        // Without a data path there is no MTU to find; the plan says what is wrong.
        let Some(me) = table.peers.get(&ground.node()?) else { return Ok(0) };
        let underlay = Underlay::read(&ground.host.links).await;
        underlay
            .map_err(OverlayError::failed("find the data path of", network))?
            .mtu(me.data_path)
            .ok_or(OverlayError::NoDataPath { network, address: me.data_path })
    }
}
