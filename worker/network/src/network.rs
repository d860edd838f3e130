//! The node's network in operation: containers come and go, ports are published and withdrawn.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};
use worker_core::network::{
    Attachment, Flow, Forward, HostPort, Ledger, LedgerError, Opening, PortChange, PortKey, Protocol,
    Ruleset, TaskShort,
};

use crate::config::NetworkConfig;
use crate::conntrack;
use crate::container;
use crate::error::NetworkError;
use crate::links::Links;
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::overlay::{OverlayFault, Overlays};

/// What a container held before the daemon restarted, from the daemon's own ledger.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// Its namespace and addresses.
    pub attachment: Attachment,
    /// The ports it publishes.
    pub ports: Vec<HostPort>,
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
    pub(crate) sandbox_links: Links,
    pub(crate) rules: Ruleset,
    pub(crate) mtu: u32,
    pub(crate) nft: Nft,
    pub(crate) overlays: Overlays,
    pub(crate) ledger: Mutex<Ledger>,
    /// Held while a change of ports is planned and loaded: the plan is true until it is carried out.
    pub(crate) publishing: tokio::sync::Mutex<()>,
}

impl Network {
    /// Gives a task a namespace with a link and addresses; a task that has them gets the same again.
    pub async fn attach(&self, task: &str) -> Result<Attachment, NetworkError> {
        let short = TaskShort::of(task)?;
        let attachment = self.ledger().attach(task, &self.config.netns_dir())?;
        if let Err(error) = container::make(&attachment, &short, &self.sandbox_links, self.mtu).await {
            self.undo(task).await;
            return Err(error);
        }
        info!(task, ipv4 = ?attachment.ipv4(), ipv6 = ?attachment.ipv6(), "container attached");
        Ok(attachment)
    }

    /// Gives a task a namespace with a loopback only.
    pub async fn none(&self, task: &str) -> Result<Attachment, NetworkError> {
        let attachment = self.ledger().attach_bare(task, &self.config.netns_dir())?;
        if let Err(error) = container::make_bare(&attachment).await {
            self.undo(task).await;
            return Err(error);
        }
        Ok(attachment)
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
        self.sandbox_links.delete(&short.link()).await?;
        if Namespace::remove(&self.config.netns_of(&short))? {
            info!(task, "container detached");
        }
        Ok(self.ledger().release(task)?)
    }

    /// Makes these the ports of the host that a task publishes; ports it published before and that are not listed are
    /// withdrawn. Connections that are under way go on, except that datagrams are led where they would be led anew.
    pub async fn publish(&self, task: &str, ports: &[HostPort]) -> Result<(), NetworkError> {
        let _one_at_a_time = self.publishing.lock().await;
        let change = self.ledger().plan_ports(task, ports)?;
        if change.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.load(&change).await {
            // The two tables are no single transaction: what the first took must not stay when the second refuses.
            let back = PortChange { remove: change.add, add: change.remove };
            if let Err(error) = self.load(&back).await {
                warn!(task, %error, "published ports could not be put back");
            }
            return Err(error);
        }
        self.ledger().set_ports(task, ports)?;
        let concerned = change.add.iter().chain(&change.remove);
        if concerned.into_iter().any(|forward| forward.key.protocol == Protocol::Udp)
            && let Err(error) = self.mislead_no_datagrams().await
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

    /// Returns the namespace that routes between containers and the host.
    pub fn sandbox(&self) -> &Namespace {
        &self.sandbox
    }

    /// Returns the namespace that plays the host.
    pub fn host(&self) -> &Namespace {
        &self.host
    }

    /// Loads the sandbox's part first: a port is never handed to a sandbox that does not know it yet.
    async fn load(&self, change: &PortChange) -> Result<(), NetworkError> {
        let table = self.rules.node.table();
        self.nft.load(&self.sandbox, &table, self.rules.sandbox_change(change)).await?;
        Ok(self.nft.load(&self.host, &table, self.rules.host_change(change)).await?)
    }

    /// Has host and sandbox forget where datagrams went that go elsewhere now: the kernel would go on as long as one
    /// follows the other.
    async fn mislead_no_datagrams(&self) -> Result<(), OverlayFault> {
        let forwards: Vec<Forward> = self.ledger().forwards().into_iter().cloned().collect();
        let (uplink, is_datagram) = (self.rules.uplink, |flow: &Flow| flow.protocol == Some(Protocol::Udp));
        let openings: BTreeSet<Opening> = forwards.iter().map(Forward::opening).collect();
        let addresses = Links::of(&self.host).await?.addresses().await?;
        let local = addresses.into_iter().map(|present| present.address).collect();
        let by_host =
            move |flow: &Flow| is_datagram(flow) && flow.is_misled_by_host(uplink, &openings, &local);
        conntrack::forget(&self.host, by_host).await?;
        let sockets = |forward: &Forward| (forward.key, forward.targets.iter().copied().collect());
        let targets: BTreeMap<PortKey, BTreeSet<SocketAddr>> = forwards.iter().map(sockets).collect();
        let none = BTreeSet::new();
        let by_sandbox = move |flow: &Flow| {
            let of = |port| targets.get(&port).unwrap_or(&none);
            is_datagram(flow) && flow.is_misled_by_sandbox(uplink, of)
        };
        conntrack::forget(&self.sandbox, by_sandbox).await?;
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

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every change of the ledger is complete before anything can panic.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
