//! The servers outside, which are asked for what is none of ours.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;
use worker_network::Namespace;

use crate::exchange::{ExchangeError, Outgoing, Reply};
use crate::origin::Origin;
use crate::request::Request;
use crate::responder::Transport;

/// How many servers are asked, as in `resolv.conf`.
const SERVERS_MAX: usize = 3;

/// How long one server has. Three of them together stay below the 5 s after which resolvers ask again.
const SERVER_TIMEOUT: Duration = Duration::from_millis(1500);

/// How many queries of all containers of a node may be on their way at once; each holds a socket.
const RELAYS_MAX: usize = 1024;

/// The servers that the containers of a node have their other questions relayed to. Clones share them.
#[derive(Debug, Clone)]
pub struct Upstream {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    origin: Origin,
    servers: RwLock<Arc<[SocketAddr]>>,
    /// The place of the server that answered last, which is asked first.
    preferred: AtomicUsize,
    room: Semaphore,
}

impl Upstream {
    /// Relays to the first three of these servers, in their order, from the namespace the daemon is in.
    pub fn to(servers: Vec<SocketAddr>) -> Self {
        Self::from(Origin::Daemon, servers)
    }

    /// Relays to the first three of these servers from a container's own namespace: whatever it reaches, and nothing else.
    pub fn within(container: Namespace, servers: Vec<SocketAddr>) -> Self {
        Self::from(Origin::Container(container), servers)
    }

    fn from(origin: Origin, servers: Vec<SocketAddr>) -> Self {
        let shared = Shared {
            origin,
            servers: RwLock::new(first_of(servers)),
            preferred: AtomicUsize::new(0),
            room: Semaphore::new(RELAYS_MAX),
        };
        Self { shared: Some(Arc::new(shared)) }
    }

    /// Relays nothing, for containers that have no way out: a query would be one (CVE-2024-29018).
    pub fn nowhere() -> Self {
        Self { shared: None }
    }

    /// Asks other servers from now on, for all clones; does nothing to [`Upstream::nowhere`].
    pub fn set_servers(&self, servers: Vec<SocketAddr>) {
        if let Some(shared) = &self.shared {
            *shared.servers.write().unwrap_or_else(PoisonError::into_inner) = first_of(servers);
            shared.preferred.store(0, Ordering::Relaxed);
        }
    }

    /// Whether there is nobody to ask, so that a query need not be begun.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.servers().is_empty())
    }

    /// Asks one server after the other; returns an answer with the id of the request, or `None` if nobody
    /// gave one in time.
    pub(crate) async fn ask(&self, request: &Request, transport: Transport) -> Option<Vec<u8>> {
        let shared = self.shared.as_ref()?;
        let _room = shared.room.try_acquire().ok()?;
        let outgoing = Outgoing::new(request)
            .inspect_err(|error| debug!(error = error as &dyn Error, "query not relayed"))
            .ok()?;
        let mut reply = shared.ask(&outgoing, request, transport).await?;
        reply.get_mut(..2)?.copy_from_slice(&request.metadata.id.to_be_bytes());
        Some(reply)
    }
}

impl Shared {
    fn servers(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.servers.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self, outgoing: &Outgoing, request: &Request, transport: Transport) -> Option<Vec<u8>> {
        let servers = self.servers();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last_resort = None;
        for place in (0..servers.len()).map(|step| (first + step) % servers.len()) {
            let server = servers[place];
            match ask_one(&self.origin, server, outgoing, request, transport).await {
                Ok(reply) if reply.failed => last_resort = Some(reply.bytes),
                Ok(reply) => {
                    self.preferred.store(place, Ordering::Relaxed);
                    return Some(reply.bytes);
                }
                Err(error) => debug!(error = &error as &dyn Error, "name server failed"),
            }
        }
        last_resort
    }
}

/// Asks as the client did. A client that takes more over UDP than a server may send is spared coming back
/// over TCP.
async fn ask_one(
    origin: &Origin,
    server: SocketAddr,
    outgoing: &Outgoing,
    request: &Request,
    transport: Transport,
) -> Result<Reply, ExchangeError> {
    if transport == Transport::Tcp {
        return within(SERVER_TIMEOUT, server, outgoing.over_tcp(origin, server)).await;
    }
    let reply = within(SERVER_TIMEOUT, server, outgoing.over_udp(origin, server)).await?;
    let limit = request.udp_limit();
    if !reply.truncated || limit <= outgoing.udp_limit {
        return Ok(reply);
    }
    match within(SERVER_TIMEOUT, server, outgoing.over_tcp(origin, server)).await {
        Ok(whole) if whole.bytes.len() <= usize::from(limit) => Ok(whole),
        // The client is told to come over TCP itself, or takes the beginning.
        Ok(_) | Err(_) => Ok(reply),
    }
}

async fn within(
    limit: Duration,
    server: SocketAddr,
    asked: impl Future<Output = Result<Reply, ExchangeError>>,
) -> Result<Reply, ExchangeError> {
    timeout(limit, asked).await.unwrap_or(Err(ExchangeError::Silent { server, within: limit }))
}

fn first_of(mut servers: Vec<SocketAddr>) -> Arc<[SocketAddr]> {
    servers.truncate(SERVERS_MAX);
    servers.into()
}
