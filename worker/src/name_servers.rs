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
    held: Mutex<Held>,
    upstream: Upstream,
    nft: PathBuf,
}

/// What changes while containers come and go.
#[derive(Debug, Default)]
struct Held {
    open: BTreeMap<TaskId, NameServer>,
    /// The servers of the node's `resolv.conf`.
    servers: Vec<SocketAddr>,
    /// Those that are asked.
    asked: Vec<SocketAddr>,
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
        Self { held: Mutex::default(), upstream: Upstream::to(Vec::new()), nft: nft.to_owned() }
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
        let (names, read) = watch::channel(Arc::new(names_of(&networks, zones.borrow().as_ref())));
        let upstream = if has_way_out { self.upstream.clone() } else { Upstream::nowhere() };
        let namespace = Namespace::open(netns)?;
        let resolver = Resolver::open(&namespace, read, upstream, &self.nft).await?;
        // The names may have changed meanwhile, when this container was not among the open ones.
        let mut held = self.lock();
        let zones = zones.borrow();
        names.send_replace(Arc::new(names_of(&networks, zones.as_ref())));
        held.open.insert(task, NameServer { networks, names, resolver });
        held.servers = servers(host);
        self.ask(&mut held, zones.is_some());
        Ok(())
    }

    /// Ends a container's name server, if it has one, so that its namespace can go.
    pub(crate) async fn close(&self, task: TaskId) {
        let open = self.lock().open.remove(&task);
        if let Some(server) = open {
            server.resolver.close().await;
        }
    }

    /// Hands new names on to the containers, for ever.
    pub(crate) async fn follow(&self, known: &Networks) {
        let mut zones = known.zones();
        while zones.changed().await.is_ok() {
            let zones = zones.borrow_and_update().clone();
            let mut held = self.lock();
            for server in held.open.values() {
                server.names.send_replace(Arc::new(names_of(&server.networks, zones.as_ref())));
            }
            self.ask(&mut held, zones.is_some());
        }
    }

    fn ask(&self, held: &mut Held, names_are_known: bool) {
        if let Some(servers) = held.servers_to_ask(names_are_known) {
            self.upstream.set_servers(servers);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change is complete before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The servers that are to be asked from now on, if others than before. After a restart it is nobody
    /// until the managers have told the names: else a service's name would be asked of servers that say
    /// there is no such name, and be believed.
    fn servers_to_ask(&mut self, names_are_known: bool) -> Option<Vec<SocketAddr>> {
        if !names_are_known || self.asked == self.servers {
            return None;
        }
        self.asked.clone_from(&self.servers);
        Some(self.asked.clone())
    }
}

fn names_of(networks: &[NetworkId], zones: Option<&Zones>) -> Names {
    let known = |network| zones.and_then(|zones| zones.get(network));
    Names::new(networks.iter().filter_map(known).cloned().collect())
}

/// The servers that a `resolv.conf` names. Those with a scope, such as `fe80::1%eth0`, are passed over.
fn servers(resolv_conf: &str) -> Vec<SocketAddr> {
    let addresses = etc_files::servers(resolv_conf).filter_map(|server| server.parse::<IpAddr>().ok());
    addresses.map(|address| (address, PORT).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_outside_is_asked_before_the_names_are_known() {
        let mut held = Held { servers: servers("nameserver 192.0.2.1\n"), ..Held::default() };
        assert_eq!(held.servers_to_ask(false), None);
        assert_eq!(held.servers_to_ask(true), Some(vec![([192, 0, 2, 1], 53).into()]));
        assert_eq!(held.servers_to_ask(true), None, "which of them is asked first is kept");
        held.servers.clear();
        assert_eq!(held.servers_to_ask(true), Some(Vec::new()));
    }

    #[test]
    fn servers_of_both_families_are_asked_and_those_with_a_scope_are_not() {
        let text = "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\nsearch lan\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.53:53", "[2001:db8::1]:53"]);
    }
}
