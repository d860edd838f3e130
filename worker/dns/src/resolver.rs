//! The name server of one container, from its opening to its end.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use worker_core::dns::Names;
use worker_network::Namespace;

use crate::error::ResolverError;
use crate::responder::Responder;
use crate::sockets::Sockets;
use crate::upstream::Upstream;
use crate::{redirect, tcp, udp};

/// How many queries of one container may be on their way to upstream servers at once; further ones fail at
/// once, so that no container takes what the others need.
const RELAYS_MAX: usize = 256;

/// The name server of one container. It serves until it is closed or dropped, and keeps the namespace in
/// being for as long.
#[derive(Debug)]
pub struct Resolver {
    tasks: Vec<JoinHandle<()>>,
    /// Further descriptors of new sockets.
    new_sockets: Vec<OwnedFd>,
}

/// What all tasks of a server share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) responder: Responder,
    pub(crate) upstream: Upstream,
    room: Arc<Semaphore>,
}

impl Resolver {
    /// Starts to serve a container, with the names it has at each moment. `nft` is the program, looked up in
    /// `PATH` when it is a bare name. `held` are the sockets of the daemon that ran before, with the queries that have come
    /// since; if they are not there, or not such sockets, new ones take their place. On an error nothing is served.
    pub async fn open(
        namespace: &Namespace,
        held: Vec<OwnedFd>,
        names: watch::Receiver<Arc<Names>>,
        upstream: Upstream,
        nft: &Path,
    ) -> Result<Self, ResolverError> {
        let (sockets, are_known) = Sockets::open(namespace, held).await?;
        let new_sockets = if are_known { Ok(Vec::new()) } else { sockets.duplicates() };
        let new_sockets = new_sockets
            .map_err(|source| ResolverError::Register { namespace: namespace.path().to_owned(), source })?;
        let rules = redirect::lead_to(&sockets, namespace, nft).await?;
        let room = Arc::new(Semaphore::new(RELAYS_MAX));
        let service = Arc::new(Service { responder: Responder::new(names), upstream, room });
        let tasks = vec![
            tokio::spawn(udp::serve(sockets.udp, Arc::clone(&service))),
            tokio::spawn(tcp::serve(sockets.tcp, service)),
            tokio::spawn(redirect::keep(rules, namespace.path().to_owned())),
        ];
        Ok(Self { tasks, new_sockets })
    }

    /// Hands out the sockets, unless they were held already: somebody who outlives the daemon is to keep them open.
    pub fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.new_sockets)
    }

    /// Ends the server and waits until its sockets are closed, but for those handed out. The rules stay; they end with the
    /// namespace.
    pub async fn close(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // It was cancelled, which is what it says.
            let _ = task.await;
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Service {
    /// Lets one more query be relayed, unless there is nobody to ask or the container has too many on their
    /// way.
    pub(crate) fn may_relay(&self) -> Option<OwnedSemaphorePermit> {
        if self.upstream.is_nowhere() {
            return None;
        }
        Arc::clone(&self.room).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(upstream: Upstream) -> Service {
        let (_, names) = watch::channel(Arc::default());
        let room = Arc::new(Semaphore::new(RELAYS_MAX));
        Service { responder: Responder::new(names), upstream, room }
    }

    #[test]
    fn one_container_has_only_so_many_queries_relayed_at_once() {
        let service = service(Upstream::to(vec![([192, 0, 2, 1], 53).into()]));
        let mut under_way: Vec<_> = (0..RELAYS_MAX).map_while(|_| service.may_relay()).collect();
        assert_eq!(under_way.len(), RELAYS_MAX);
        assert!(service.may_relay().is_none());
        under_way.pop();
        assert!(service.may_relay().is_some());
    }

    #[test]
    fn nothing_is_relayed_while_there_is_nobody_to_ask() {
        let upstream = Upstream::to(Vec::new());
        assert!(service(Upstream::nowhere()).may_relay().is_none());
        assert!(service(upstream.clone()).may_relay().is_none());
        upstream.set_servers(vec![([192, 0, 2, 1], 53).into()]);
        assert!(service(upstream).may_relay().is_some());
    }
}
