//! The node's network in operation: containers come and go, ports are published and withdrawn.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::model::NetworkId;
use tracing::{info, warn};
use worker_core::network::{
    Access, Attachment, Flow, Forward, HostPort, Ledger, LedgerError, Opening, PortChange, PortKey, Protocol,
    Ruleset, Sought, TaskShort, UplinkAddresses,
};
use worker_core::overlay::Container;

use crate::alarms::{Alarms, Watch};
use crate::config::NetworkConfig;
use crate::conntrack;
use crate::container;
use crate::error::NetworkError;
use crate::held::HeldNamespaces;
use crate::links::Links;
use crate::macvlan::Macvlans;
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::nft_loaded::Loaded;
use crate::overlay::{OverlayFault, Overlays};
use crate::repairs::Journal;

/// What a container held before the daemon restarted, from the daemon's own ledger.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// Its namespace and addresses.
    pub attachment: Attachment,
    /// The ports it publishes.
    pub ports: Vec<HostPort>,
    /// Its process, whose namespace is bound to the file again if it is not any more.
    pub pid: Option<u32>,
    /// The networks that span nodes which it is in.
    pub joined: BTreeMap<NetworkId, Container>,
}

/// What [`Network::open`] gives back.
#[derive(Debug)]
pub struct Opened {
    /// The network, ready for use.
    pub network: Network,
    /// Tasks whose namespace is gone, as after a reboot: they hold nothing any more and their containers cannot run.
    pub lost: Vec<String>,
}

/// One node's network.
///
/// Calls for different tasks may overlap; calls for one task must follow each other. A call that was cancelled half-way
/// leaves what [`Network::detach`] removes.
#[derive(Debug)]
pub struct Network {
    pub(crate) config: NetworkConfig,
    pub(crate) host: Namespace,
    pub(crate) sandbox: Namespace,
    pub(crate) host_links: Links,
    pub(crate) sandbox_links: Links,
    pub(crate) nft: Nft,
    pub(crate) overlays: Overlays,
    pub(crate) macvlans: Macvlans,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) containers: HeldNamespaces,
    /// Held while a change of ports is planned and loaded: the plan is true until it is carried out.
    pub(crate) tables: tokio::sync::Mutex<NodeTables>,
    /// Read by those who make or remove a container's link, written by those who look for lost ones.
    pub(crate) links_change: tokio::sync::RwLock<()>,
    pub(crate) alarms: Alarms,
    pub(crate) journal: Mutex<Journal>,
    /// Notice changes as long as the network is open.
    pub(crate) watches: tokio::sync::Mutex<[Watch; 2]>,
}

/// The rules of the node's own network, as they were loaded.
#[derive(Debug, Clone)]
pub(crate) struct NodeTables {
    pub(crate) rules: Ruleset,
    /// The MTU of containers' links, in bytes.
    pub(crate) mtu: u32,
    pub(crate) sandbox: Loaded,
    pub(crate) host: Loaded,
}

impl Network {
    /// Gives a task a namespace with a link and addresses, by which it reaches its siblings and the world; a task that has
    /// them gets the same again.
    pub async fn attach(&self, task: &str) -> Result<Attachment, NetworkError> {
        self.attach_with(task, Access::SIBLINGS).await
    }

    /// Does so with other neighbours on the node; what a task may reach stays as it was first.
    pub async fn attach_with(&self, task: &str, access: Access) -> Result<Attachment, NetworkError> {
        let short = TaskShort::of(task)?;
        let mtu = self.tables.lock().await.mtu;
        let changing = self.links_change.read().await;
        let attachment = self.ledger().attach(task, &self.config.netns_dir(), access)?;
        let made = container::make(&attachment, &short, &self.sandbox_links, mtu).await;
        drop(changing);
        self.keep_namespace(task, made).await?;
        info!(task, ipv4 = ?attachment.ipv4(), ipv6 = ?attachment.ipv6(), "container attached");
        Ok(attachment)
    }

    /// Gives a task a namespace with a loopback only.
    pub async fn none(&self, task: &str) -> Result<Attachment, NetworkError> {
        self.none_but(task, false).await
    }

    /// Does so for a task of which it is noted whether other networks lead it out.
    pub async fn none_but(&self, task: &str, has_other_way_out: bool) -> Result<Attachment, NetworkError> {
        let attachment = self.ledger().attach_bare(task, &self.config.netns_dir(), has_other_way_out)?;
        self.keep_namespace(task, container::make_bare(&attachment).await).await?;
        Ok(attachment)
    }

    /// Keeps the namespace that was made for a task, or takes back what was made of it.
    async fn keep_namespace(
        &self,
        task: &str,
        made: Result<Namespace, NetworkError>,
    ) -> Result<(), NetworkError> {
        match made {
            Ok(namespace) => {
                self.containers.insert(task.to_owned(), namespace);
                Ok(())
            }
            Err(error) => {
                self.undo(task).await;
                Err(error)
            }
        }
    }

    /// Takes back all a task has: published ports, links, namespace, addresses; nothing happens when it has nothing.
    pub async fn detach(&self, task: &str) -> Result<(), NetworkError> {
        let short = TaskShort::of(task)?;
        if self.ledger().attachment(task).is_some() {
            self.publish(task, &[]).await?;
        } else if let Some(holder) = self.holder_of(&short) {
            let task = task.to_owned();
            return Err(LedgerError::ShortTaken { task, short, holder }.into());
        }
        self.overlays.leave_all(task).await?;
        let netns = self.config.netns_of(&short);
        if !self.macvlans.list().is_empty() && Namespace::is_bound(&netns)? {
            self.macvlans.leave_all(&Namespace::open(&netns)?).await?;
        }
        let _changing = self.links_change.read().await;
        self.containers.remove(task);
        self.sandbox_links.delete(&short.link()).await?;
        if Namespace::remove(&netns)? {
            info!(task, "container detached");
        }
        Ok(self.ledger().release(task)?)
    }

    /// Makes these the ports of the host that a task publishes; ports it published before and that are not listed are
    /// withdrawn. Connections that are under way go on, except that datagrams are led where they would be led anew.
    pub async fn publish(&self, task: &str, ports: &[HostPort]) -> Result<(), NetworkError> {
        let mut tables = self.tables.lock().await;
        let change = self.ledger().plan_ports(task, ports)?;
        if change.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.load(&mut tables, &change).await {
            // The two tables are no single transaction: what the first took must not stay when the second refuses.
            let back = PortChange { remove: change.add, add: change.remove };
            if let Err(error) = self.load(&mut tables, &back).await {
                warn!(task, %error, "published ports could not be put back");
            }
            return Err(error);
        }
        self.ledger().set_ports(task, ports)?;
        let concerned = change.add.iter().chain(&change.remove);
        if concerned.into_iter().any(|forward| forward.key.protocol == Protocol::Udp)
            && let Err(error) = self.mislead_no_datagrams(tables.rules.uplink).await
        {
            warn!(task, %error, "those who send datagrams all the time may miss the change of ports");
        }
        info!(task, added = change.add.len(), removed = change.remove.len(), "published ports changed");
        Ok(())
    }

    /// Returns what a task has.
    pub fn attachment(&self, task: &str) -> Option<Attachment> {
        self.ledger().attachment(task).cloned()
    }

    /// Returns what all tasks have.
    pub fn attachments(&self) -> Vec<Attachment> {
        self.ledger().attachments().cloned().collect()
    }

    /// Returns the networks that span nodes.
    pub fn overlays(&self) -> &Overlays {
        &self.overlays
    }

    /// Returns the networks that are on a link of this node.
    pub fn macvlans(&self) -> &Macvlans {
        &self.macvlans
    }

    /// Returns the addresses at which containers that may do so reach the host, IPv4 first.
    pub async fn host_gateway(&self) -> Vec<IpAddr> {
        let Ruleset { subnets, uplink, .. } = self.tables.lock().await.rules.clone();
        let ipv6 = subnets.ipv6.map(|_| uplink.host_ipv6().into());
        [uplink.host_ipv4().into()].into_iter().chain(ipv6).collect()
    }

    /// Returns the namespace that routes between containers and the host.
    pub fn sandbox(&self) -> &Namespace {
        &self.sandbox
    }

    /// Returns the namespace that plays the host.
    pub fn host(&self) -> &Namespace {
        &self.host
    }

    /// Loads the sandbox's part first: a port is never handed to a sandbox that does not know it yet.
    async fn load(&self, tables: &mut NodeTables, change: &PortChange) -> Result<(), NetworkError> {
        let (rules, table) = (&tables.rules, tables.rules.node.table());
        let after = change.after(self.ledger().forwards());
        let whole = || rules.sandbox_table(&after.iter().collect::<Vec<_>>());
        let script = rules.sandbox_change(change);
        let before = Some(tables.sandbox.clone());
        let sandbox = Loaded::load(&self.nft, &self.sandbox, &table, before, script, whole).await?;
        tables.sandbox = sandbox.loaded;
        let whole = || rules.host_table(&after.iter().collect::<Vec<_>>());
        let script = rules.host_change(change);
        let before = Some(tables.host.clone());
        let host = Loaded::load(&self.nft, &self.host, &table, before, script, whole).await?;
        tables.host = host.loaded;
        self.note_repairs(&[sandbox.undone, host.undone].concat());
        Ok(())
    }

    /// Has host and sandbox forget where datagrams went that go elsewhere now: the kernel would go on as long as one
    /// follows the other.
    async fn mislead_no_datagrams(&self, uplink: UplinkAddresses) -> Result<(), OverlayFault> {
        let forwards: Vec<Forward> = self.ledger().forwards().into_iter().cloned().collect();
        let is_datagram = |flow: &Flow| flow.protocol == Some(Protocol::Udp);
        let datagrams = || [Sought::Of(Protocol::Udp)].into();
        let openings: BTreeSet<Opening> = forwards.iter().map(Forward::opening).collect();
        let addresses = self.host_links.addresses().await?;
        let local = addresses.into_iter().map(|present| present.address).collect();
        let by_host =
            move |flow: &Flow| is_datagram(flow) && flow.is_misled_by_host(uplink, &openings, &local);
        conntrack::forget(&self.host, datagrams(), by_host).await?;
        let sockets = |forward: &Forward| (forward.key, forward.targets.iter().copied().collect());
        let targets: BTreeMap<PortKey, BTreeSet<SocketAddr>> = forwards.iter().map(sockets).collect();
        let none = BTreeSet::new();
        let by_sandbox = move |flow: &Flow| {
            let of = |port| targets.get(&port).unwrap_or(&none);
            is_datagram(flow) && flow.is_misled_by_sandbox(uplink, of)
        };
        conntrack::forget(&self.sandbox, datagrams(), by_sandbox).await?;
        Ok(())
    }

    async fn undo(&self, task: &str) {
        if let Err(error) = self.detach(task).await {
            warn!(task, %error, "a failed attachment could not be taken back");
        }
    }

    fn holder_of(&self, short: &TaskShort) -> Option<String> {
        let ledger = self.ledger();
        let mut tasks = ledger.attachments().map(|held| held.task.clone());
        tasks.find(|holder| TaskShort::of(holder).is_ok_and(|theirs| theirs == *short))
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every change of the ledger is complete before anything can panic.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
