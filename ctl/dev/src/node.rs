//! One node of a development cluster, and the faults that can be brought upon it.

use crate::{
    Client, DaemonError, Error, ProcessId, Roots,
    daemon::{self, Launch},
    error::blocking,
    fabric::{Fabric, Plug},
    folders,
    formation::{self, Patience},
    members::Scope,
    mounts, process,
    record::Record,
    roots::LOG,
};
use proto::model::Role;
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::Duration,
};
use worker_network::Namespace;

/// How long a killed process may take to end.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How long a daemon that was started may take to answer.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The nodes of a cluster.
pub(crate) type Nodes = Vec<Node>;

/// One node; what its methods do holds for the node itself, not for the copy they are called on.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    role: Role,
    number: u8,
    addr: Ipv4Addr,
    addr_v6: Ipv6Addr,
    roots: Roots,
    fabric: Fabric,
    launch: Launch,
}

impl Node {
    /// The nodes of a cluster, managers first.
    pub(crate) fn all(roots: &Roots, record: &Record) -> Nodes {
        let fabric = Fabric::new(roots.clone(), record.subnet);
        let launch = Launch { program: record.program.clone(), args: record.daemon_args.clone() };
        let places = crate::place::places(record.managers, record.workers).into_iter();
        let node = |place: crate::place::Place| Node {
            addr: record.subnet.host(place.number),
            addr_v6: record.subnet.host_v6(place.number),
            name: place.name,
            role: place.role,
            number: place.number,
            roots: roots.clone(),
            fabric: fabric.clone(),
            launch: launch.clone(),
        };
        places.map(node).collect()
    }

    /// `m1`, `m2`, ... or `w1`, `w2`, ...
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role it was made with; it may have been promoted or demoted since.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its IPv4 address.
    pub fn addr(&self) -> Ipv4Addr {
        self.addr
    }

    /// Its IPv6 address.
    pub fn addr_v6(&self) -> Ipv6Addr {
        self.addr_v6
    }

    /// The socket its daemon listens on.
    pub fn socket(&self) -> PathBuf {
        self.roots.socket(&self.name)
    }

    /// Its daemon's data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.roots.node_data(&self.name)
    }

    /// Its daemon's log.
    pub fn log(&self) -> PathBuf {
        self.roots.log(&self.name)
    }

    /// The file its network namespace is bound to.
    pub fn namespace(&self) -> PathBuf {
        self.roots.namespace(&self.name)
    }

    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Connects to its daemon.
    pub async fn client(&self) -> Result<Client, Error> {
        Ok(Client::connect(&self.socket()).await.map_err(formation::FormationError::Call)?)
    }

    /// Its daemon's process, if that runs.
    pub fn daemon(&self) -> Result<Option<ProcessId>, DaemonError> {
        daemon::running(&self.roots, &self.name)
    }

    /// Starts the daemon, and plugs the node in if it has no namespace or its link is off, as after
    /// [`Self::power_off`]; returns when the daemon answers. Nothing happens if it runs.
    pub async fn start(&self) -> Result<(), Error> {
        self.plug_in().await?;
        self.heal().await?;
        self.launch().await?;
        formation::answering(self, Patience::new(START_PATIENCE)).await?;
        Ok(())
    }

    /// Kills the daemon and nothing else, as a crash of it would; its containers go on.
    pub async fn kill(&self) -> Result<(), Error> {
        let Some(daemon) = self.daemon()? else { return Ok(()) };
        let alive = move || Ok(daemon.is_alive().then_some(daemon).into_iter().collect());
        blocking(move || process::kill_all(KILL_PATIENCE, alive)).await
    }

    /// Ends the node as a power cut would: its link is cut, its daemon, shims and containers are
    /// killed, and what the kernel held for it is gone: namespaces, mounts, cgroups, run folder. Its
    /// data folder stays. [`Self::start`] switches it on again.
    pub async fn power_off(&self) -> Result<(), Error> {
        self.cut().await?;
        let node = self.clone();
        blocking(move || node.wipe()).await?;
        self.fabric.unplug(&self.name).await?;
        Ok(())
    }

    /// Cuts the link: the node runs on and reaches nobody.
    pub async fn cut(&self) -> Result<(), Error> {
        Ok(self.fabric.set_link(&self.name, false).await?)
    }

    /// Brings the link back after [`Self::cut`].
    pub async fn heal(&self) -> Result<(), Error> {
        Ok(self.fabric.set_link(&self.name, true).await?)
    }

    /// Whether the link is there and not cut.
    pub async fn is_linked(&self) -> Result<bool, Error> {
        Ok(self.fabric.is_linked(&self.name).await?)
    }

    /// Does blocking work on a thread in the node's network namespace; sockets made and programs
    /// started there stay there. Programs started there end with the node.
    pub async fn exec_in_netns<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        Ok(Namespace::open(&self.namespace())?.run(work).await?)
    }

    /// Makes the node's namespace and link if they are missing; tells whether they were.
    pub(crate) async fn plug_in(&self) -> Result<bool, Error> {
        Ok(self.fabric.plug_in(&Plug { node: &self.name, number: self.number }).await?)
    }

    /// Starts the daemon unless it runs; tells whether it did not.
    pub(crate) async fn launch(&self) -> Result<bool, Error> {
        if self.daemon()?.is_some() {
            return Ok(false);
        }
        daemon::start(&self.roots, &self.name, &self.launch).await?;
        Ok(true)
    }

    fn wipe(&self) -> Result<(), Error> {
        let id = Record::load(&self.roots)?.and_then(|record| record.ids.get(&self.name).cloned());
        let run = self.roots.node_run(&self.name);
        let paths = vec![run.clone(), self.data_dir(), self.namespace()];
        Scope { paths, ids: id.into_iter().collect() }.end()?;
        mounts::unmount_below(&[run.clone(), self.data_dir()])?;
        folders::clear(&run, &[LOG])?;
        Ok(())
    }
}
