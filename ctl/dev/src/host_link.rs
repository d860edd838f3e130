//! The link between the machine and the nodes, for people: one veth end and one nft table in the
//! machine's own namespace, both named for the cluster. Nothing else there is touched.

use crate::{
    FabricError, LinkError, Roots, Subnet, collision,
    fabric::Fabric,
    links::{self, End, Links},
};
use std::{
    fs, io,
    path::PathBuf,
    process::{Command, Stdio},
};
use worker_network::{Namespace, NamespaceError};

/// The other end's port in the fabric.
const PORT: &str = "host";
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Says why the machine can't be linked to the nodes, or the link not be removed.
#[derive(Debug, thiserror::Error)]
pub enum HostLinkError {
    /// The machine's namespace can't be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A link or address can't be made or removed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The port at the bridge can't be made.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The network is in use.
    #[error(
        "the machine already uses {used}, which {subnet} overlaps: choose another network with --subnet, or do without the link to the machine with --no-host-link"
    )]
    Collision {
        /// The network that was asked for, or that the cluster has.
        subnet: Subnet,
        /// What the machine uses.
        used: String,
    },
    /// All networks are in use.
    #[error(
        "the machine uses every network from 10.88.0.0/24 to 10.89.255.0/24: choose another one with --subnet"
    )]
    NoSubnet,
    /// There is a link of that name which the cluster did not make.
    #[error(
        "the machine has a link `{0}` that is not of this cluster: choose another --name, or remove the link"
    )]
    Taken(String),
    /// The note that there is a link can't be written.
    #[error("can't write `{path}`")]
    Mark {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program `nft` can't be run.
    #[error(
        "can't run `nft`, which gives the nodes a way out: install nftables, or do without the link to the machine with --no-host-link"
    )]
    NftStart(#[source] io::Error),
    /// The program `nft` refuses.
    #[error("`nft` refuses to {action} the table `{table}`: {said}")]
    Nft {
        /// What was being done.
        action: &'static str,
        /// The table.
        table: String,
        /// What it said.
        said: String,
    },
}

/// The link between the machine and the nodes.
pub(crate) struct HostLink<'a> {
    roots: &'a Roots,
    name: &'a str,
}

impl<'a> HostLink<'a> {
    pub fn new(roots: &'a Roots, name: &'a str) -> Self {
        Self { roots, name }
    }

    fn link(&self) -> String {
        format!("shoal-{}", self.name)
    }

    /// Not `shoal-NAME`: a daemon that runs on the machine itself names its table so, for its node.
    fn table(&self) -> String {
        format!("shoal-dev-{}", self.name)
    }

    /// Finds a network that the machine does not use, or checks the one given.
    pub async fn choose(&self, wanted: Option<Subnet>) -> Result<Subnet, HostLinkError> {
        let links = Links::of(&links::machine()?).await?;
        let own = if self.is_marked() { links.find(&self.link()).await? } else { None };
        let used = collision::used(&links).await?;
        match wanted {
            Some(subnet) => match collision::obstacle(subnet, &used, own) {
                Some(used) => Err(HostLinkError::Collision { subnet, used }),
                None => Ok(subnet),
            },
            None => Subnet::candidates()
                .find(|subnet| collision::obstacle(*subnet, &used, own).is_none())
                .ok_or(HostLinkError::NoSubnet),
        }
    }

    /// Makes the link and the table if they are missing; tells whether they were.
    pub async fn ensure(&self, fabric: &Fabric, subnet: Subnet) -> Result<bool, HostLinkError> {
        let machine = links::machine()?;
        let links = Links::of(&machine).await?;
        let name = self.link();
        let is_there = links.find(&name).await?.is_some();
        if is_there && !self.is_marked() {
            return Err(HostLinkError::Taken(name));
        }
        if is_there && fabric.has_port(PORT).await? {
            return Ok(false);
        }
        self.choose(Some(subnet)).await?;
        // Written before there is anything to remove, so that no crash leaves a link unnoticed.
        let mark = self.roots.host_link_mark();
        fs::write(&mark, format!("{name}\n")).map_err(|source| HostLinkError::Mark { path: mark, source })?;
        // The remains of an earlier fabric.
        links.delete(&name).await?;
        fabric.add_port(PORT, End { name: &name, namespace: &machine }).await?;
        links.set(&name, true).await?;
        links.add_address(&name, subnet.gateway().into()).await?;
        self.nft(&machine, "load", masquerade(&self.table(), subnet)).await?;
        Ok(true)
    }

    /// Removes the link and the table, if the cluster made them.
    pub async fn remove(&self) -> Result<(), HostLinkError> {
        if !self.is_marked() {
            return Ok(());
        }
        let machine = links::machine()?;
        Links::of(&machine).await?.delete(&self.link()).await?;
        self.nft(&machine, "remove", removal(&self.table())).await
    }

    /// Whether the machine passes the nodes' packets on; it is not ours to switch that on.
    pub async fn forwards(&self) -> Result<bool, HostLinkError> {
        let read = links::machine()?.run(|| fs::read_to_string(FORWARDING)).await?;
        // Without the file there is no IPv4 to forward.
        Ok(read.is_ok_and(|text| text.trim() == "1"))
    }

    fn is_marked(&self) -> bool {
        self.roots.host_link_mark().exists()
    }

    async fn nft(
        &self,
        machine: &Namespace,
        action: &'static str,
        script: String,
    ) -> Result<(), HostLinkError> {
        let output = machine.run(move || run_nft(&script)).await?.map_err(HostLinkError::NftStart)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(HostLinkError::Nft { action, table: self.table(), said })
    }
}

fn run_nft(script: &str) -> io::Result<std::process::Output> {
    // The script is one argument, and short: no pipe to fill.
    Command::new("nft").arg(script).stdin(Stdio::null()).output()
}

/// Replaces the table in one step, whether it was there or not.
fn masquerade(table: &str, subnet: Subnet) -> String {
    format!(
        "{}; add table ip {table}; \
         add chain ip {table} out {{ type nat hook postrouting priority 100; }}; \
         add rule ip {table} out ip saddr {subnet} ip daddr != {subnet} masquerade",
        removal(table)
    )
}

/// Removes the table whether it is there or not: adding it first makes sure that it is.
fn removal(table: &str) -> String {
    format!("add table ip {table}; delete table ip {table}")
}
