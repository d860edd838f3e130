//! The name servers of containers: one for each container that is in a network of the cluster.

use crate::{
    chain::Chain,
    executor::blocking,
    host_servers::{HostServers, at_port},
    networks::Networks,
};
use proto::model::{NetworkId, TaskId};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tracing::{debug, info, warn};
use worker_core::known::Known;
use worker_dns::{Names, Resolver, ResolverError, Upstream};
use worker_network::Namespace;
use worker_runtime::{Running, RunningError};

/// How often it is looked whether the host has other name servers.
const LOOK: Duration = Duration::from_secs(3);

/// How long after it failed a name server is opened again; each further time twice as long.
const RETRY: Duration = Duration::from_secs(1);

/// The longest wait before one is opened again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The name servers of a node's containers.
#[derive(Debug)]
pub(crate) struct NameServers {
    held: Mutex<Held>,
    /// Says that a server could not be opened and is to be tried again.
    failed: Notify,
    host: Arc<Mutex<HostServers>>,
    upstream: Upstream,
    nft: PathBuf,
}

/// What changes while containers come and go.
#[derive(Debug, Default)]
struct Held {
    open: BTreeMap<TaskId, NameServer>,
    /// Those that could not be opened yet.
    waiting: BTreeMap<TaskId, Client>,
}

/// A container that is to have a name server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Whose container it is.
    pub task: TaskId,
    /// Its namespace.
    pub netns: PathBuf,
    /// The networks whose names it knows, in their order.
    pub networks: Vec<NetworkId>,
    /// Whether other names may be asked for outside.
    pub has_way_out: bool,
    /// The servers that are asked for them instead of the host's, out of the container.
    pub servers: Vec<IpAddr>,
    /// Its supervisor, if it runs already, which holds the sockets that it had.
    pub running: Option<Running>,
}

/// That of one container.
#[derive(Debug)]
struct NameServer {
    networks: Vec<NetworkId>,
    names: watch::Sender<Arc<Names>>,
    resolver: Resolver,
}

impl NameServers {
    /// None yet. `nft` is the program, `resolv_conf` the host's file that names the servers outside.
    pub(crate) fn new(nft: &Path, resolv_conf: &Path) -> Self {
        Self {
            held: Mutex::default(),
            failed: Notify::new(),
            host: Arc::new(Mutex::new(HostServers::of(resolv_conf.to_owned()))),
            upstream: Upstream::to(Vec::new()),
            nft: nft.to_owned(),
        }
    }

    /// Gives a container a name server; one that has it gets a new one.
    pub(crate) async fn open(&self, client: Client, known: &Networks) -> Result<(), ResolverError> {
        let server = self.make(&client, known).await?;
        let mut held = self.lock();
        server.catch_up(&known.known().borrow());
        held.open.insert(client.task, server);
        Ok(())
    }

    /// Gives a container that runs already its name server again, now or later: what fails is said once, and tried again
    /// by [`NameServers::retry`].
    pub(crate) async fn reopen(&self, client: Client, known: &Networks) {
        let task = client.task;
        self.lock().waiting.insert(task, client.clone());
        if let Err(error) = self.reopen_once(&client, known).await {
            warn!(%task, error = %Chain(&error), "container's name server could not be started; it is tried again");
            self.failed.notify_one();
        }
    }

    /// Gives the sockets of a container's name server to its supervisor, so that what is asked while no daemon runs waits
    /// for the next one.
    pub(crate) async fn entrust(&self, task: TaskId, running: Running) {
        let sockets = self.lock().open.get_mut(&task).map(|server| server.resolver.take_sockets());
        let Some(sockets) = sockets.filter(|sockets| !sockets.is_empty()) else { return };
        let hold = move || running.hold(&sockets.iter().map(AsFd::as_fd).collect::<Vec<_>>());
        match blocking(hold).await {
            // It has ended already.
            Ok(()) | Err(RunningError::Connect { .. }) => {}
            Err(error) => {
                warn!(%task, error = %Chain(&error), "what the container asks while no daemon runs will be lost");
            }
        }
    }

    /// Changes the networks whose names a container knows; says whether it has a name server.
    pub(crate) fn change(&self, task: TaskId, networks: &[NetworkId], known: &Networks) -> bool {
        let mut held = self.lock();
        let Some(server) = held.open.get_mut(&task) else { return false };
        server.networks = networks.to_vec();
        server.catch_up(&known.known().borrow());
        true
    }

    /// Ends a container's name server, if it has one, so that its namespace can go.
    pub(crate) async fn close(&self, task: TaskId) {
        let open = {
            let mut held = self.lock();
            held.waiting.remove(&task);
            held.open.remove(&task)
        };
        if let Some(server) = open {
            server.resolver.close().await;
        }
    }

    /// Hands new names on to the containers they concern, for ever.
    pub(crate) async fn follow(&self, networks: &Networks) {
        let mut known = networks.known();
        // Something may have been told before anyone followed.
        known.mark_changed();
        while known.changed().await.is_ok() {
            let known = known.borrow_and_update().clone();
            self.lock().open.values().for_each(|server| server.catch_up(&known));
        }
    }

    /// Tries again what could not be opened, for ever.
    pub(crate) async fn retry(&self, known: &Networks) {
        loop {
            self.failed.notified().await;
            let mut wait = RETRY;
            while !self.lock().waiting.is_empty() {
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
                self.retry_all(known).await;
            }
        }
    }

    /// Asks the host's name servers as they are at each moment, for ever.
    pub(crate) async fn follow_host(&self) {
        loop {
            self.look_at_host().await;
            sleep(LOOK).await;
        }
    }

    async fn retry_all(&self, known: &Networks) {
        let waiting: Vec<Client> = self.lock().waiting.values().cloned().collect();
        for client in waiting {
            if self.reopen_once(&client, known).await.is_ok() {
                info!(task = %client.task, "container's name server was started");
            }
        }
    }

    async fn reopen_once(&self, client: &Client, known: &Networks) -> Result<(), ResolverError> {
        let server = self.make(client, known).await?;
        let unwanted = {
            let mut held = self.lock();
            server.catch_up(&known.known().borrow());
            match held.waiting.remove(&client.task) {
                Some(_) => held.open.insert(client.task, server),
                // The container has ended meanwhile.
                None => Some(server),
            }
        };
        if let Some(server) = unwanted {
            server.resolver.close().await;
        }
        if let Some(running) = client.running.clone() {
            self.entrust(client.task, running).await;
        }
        Ok(())
    }

    async fn make(&self, client: &Client, known: &Networks) -> Result<NameServer, ResolverError> {
        self.look_at_host().await;
        let namespace = Namespace::open(&client.netns)?;
        let (names, read) = watch::channel(Arc::new(known.known().borrow().names_of(&client.networks)));
        let upstream = match client.has_way_out {
            // What a container asks by itself gets no further than anything else of it.
            _ if !client.servers.is_empty() => {
                Upstream::within(Namespace::open(&client.netns)?, at_port(&client.servers))
            }
            true => self.upstream.clone(),
            false => Upstream::nowhere(),
        };
        let held = match client.running.clone() {
            Some(running) => blocking(move || running.held()).await.unwrap_or_else(|error| {
                debug!(task = %client.task, error = %Chain(&error), "container's supervisor holds no sockets");
                Vec::new()
            }),
            None => Vec::new(),
        };
        let resolver = Resolver::open(&namespace, held, read, upstream, &self.nft).await?;
        Ok(NameServer { networks: client.networks.clone(), names, resolver })
    }

    async fn look_at_host(&self) {
        let (host, upstream) = (self.host.clone(), self.upstream.clone());
        let look = move || {
            let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(servers) = host.changed() {
                upstream.set_servers(servers);
            }
        };
        blocking(look).await;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change is complete before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NameServer {
    /// Takes over the names as they are known now, if they are others for this container.
    fn catch_up(&self, known: &Known) {
        self.names.send_if_modified(|names| {
            let now = known.names_of(&self.networks);
            let is_new = !now.are(names);
            if is_new {
                *names = Arc::new(now);
            }
            is_new
        });
    }
}

#[cfg(test)]
#[path = "name_servers_tests.rs"]
mod tests;
