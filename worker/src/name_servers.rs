//! The name servers of containers: one for each container that is in a network of the cluster.

use crate::networks::{Networks, Zones};
use proto::model::{NetworkId, TaskId};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use worker_core::etc_files;
use worker_dns::{Names, Resolver, ResolverError, Upstream};
use worker_network::Namespace;

/// The port of name servers (RFC 1035, 4.2).
const PORT: u16 = 53;

/// The name servers of a node's containers.
#[derive(Debug)]
pub(crate) struct NameServers {
    open: Mutex<BTreeMap<TaskId, NameServer>>,
    upstream: Upstream,
    nft: PathBuf,
}

/// That of one container.
#[derive(Debug)]
struct NameServer {
    networks: Vec<NetworkId>,
    names: watch::Sender<Arc<Names>>,
    resolver: Resolver,
}

impl NameServers {
    /// None yet. `nft` is the program.
    pub(crate) fn new(nft: &Path) -> Self {
        Self { open: Mutex::default(), upstream: Upstream::to(Vec::new()), nft: nft.to_owned() }
    }

    /// Gives a container a name server that knows the names of its networks, in their order. `host` is
    /// the node's `resolv.conf`, whose servers are asked for other names if the container has a way out.
    pub(crate) async fn open(
        &self,
        task: TaskId,
        netns: &Path,
        networks: Vec<NetworkId>,
        has_way_out: bool,
        host: &str,
        known: &Networks,
    ) -> Result<(), ResolverError> {
        let zones = known.zones();
        let (names, read) = watch::channel(Arc::new(names_of(&networks, &zones.borrow())));
        let upstream = if has_way_out { self.upstream.clone() } else { Upstream::nowhere() };
        self.upstream.set_servers(servers(host));
        let namespace = Namespace::open(netns)?;
        let resolver = Resolver::open(&namespace, read, upstream, &self.nft).await?;
        // The names may have changed meanwhile, when this container was not among the open ones.
        let mut open = self.lock();
        names.send_replace(Arc::new(names_of(&networks, &zones.borrow())));
        open.insert(task, NameServer { networks, names, resolver });
        Ok(())
    }

    /// Ends a container's name server, if it has one, so that its namespace can go.
    pub(crate) async fn close(&self, task: TaskId) {
        let open = self.lock().remove(&task);
        if let Some(server) = open {
            server.resolver.close().await;
        }
    }

    /// Hands new names on to the containers, for ever.
    pub(crate) async fn follow(&self, known: &Networks) {
        let mut zones = known.zones();
        while zones.changed().await.is_ok() {
            let zones = zones.borrow_and_update().clone();
            for server in self.lock().values() {
                server.names.send_replace(Arc::new(names_of(&server.networks, &zones)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, NameServer>> {
        // Every change of the map is complete before anything can panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names_of(networks: &[NetworkId], zones: &Zones) -> Names {
    Names::new(networks.iter().filter_map(|network| zones.get(network)).cloned().collect())
}

/// The servers that a `resolv.conf` names. Those with a scope, such as `fe80::1%eth0`, are passed over.
fn servers(resolv_conf: &str) -> Vec<SocketAddr> {
    let addresses = etc_files::servers(resolv_conf).filter_map(|server| server.parse::<IpAddr>().ok());
    addresses.map(|address| (address, PORT).into()).collect()
}
