//! Changes of a namespace are noticed as they are made, whoever makes them.
//!
//! The kernel tells of changes of links, addresses, routes, neighbours, policy rules, nft tables
//! and of settings for forwarding. What it tells is not
//! looked into: something changed, and that is reason to look at what is there. A message that is lost does no harm either,
//! since losing one is told too.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use nix::errno::Errno;
use proto::model::NetworkId;
use rtnetlink::MulticastGroup;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::warn;

use crate::links::is;
use crate::namespace::Namespace;

/// The group that is told of changes of nft tables (the kernel's `NFNLGRP_NFTABLES`).
const NFT_GROUP: u32 = 7;

/// What is told of routing and links.
const GROUPS: [MulticastGroup; 10] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
    MulticastGroup::Ipv4Netconf,
    MulticastGroup::Ipv6Netconf,
];

/// Room for what is told at once, in bytes.
const BUFFER: usize = 64 << 10;

/// The type of messages about new neighbours, and where they tell family and state.
const NEW_NEIGHBOUR: u16 = 28;
const FAMILY_AT: usize = 16;
const STATE_AT: usize = 24;
const FAMILY_BRIDGE: u8 = 7;
const STATE_PERMANENT: u16 = 0x80;

/// Where something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the host's namespace.
    Host,
    /// In the sandbox of the node's own network.
    Sandbox,
    /// In the sandbox of a network that spans nodes.
    Network(NetworkId),
}

/// Where changes are reported. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarms {
    raised: Arc<Mutex<BTreeSet<Place>>>,
    wake: Arc<Notify>,
}

impl Alarms {
    pub(crate) fn raise(&self, place: Place) {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        self.wake.notify_one();
    }

    /// Waits until something changed.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Takes the places where something changed.
    pub(crate) fn take(&self) -> BTreeSet<Place> {
        std::mem::take(&mut *self.raised.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reports changes of a namespace until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    namespace: Namespace,
    place: Place,
    alarms: Alarms,
    listeners: JoinSet<()>,
    /// Whether it was said that the kernel does not let it listen.
    is_said: bool,
}

impl Watch {
    /// Begins to listen. Where the kernel does not let it, changes are found by the audit only.
    pub(crate) async fn begin(namespace: &Namespace, place: Place, alarms: &Alarms) -> Self {
        let (namespace, alarms) = (namespace.clone(), alarms.clone());
        let mut watch = Self { namespace, place, alarms, listeners: JoinSet::new(), is_said: false };
        watch.listen().await;
        watch
    }

    /// Begins again if it has ended, or could not begin.
    pub(crate) async fn renew(&mut self) {
        while self.listeners.try_join_next().is_some() {}
        if self.listeners.len() < SOCKETS {
            self.listeners.abort_all();
            self.listen().await;
        }
    }

    async fn listen(&mut self) {
        let place = self.place;
        match sockets(&self.namespace).await {
            Ok(sockets) => {
                self.is_said = false;
                for (socket, tells) in sockets {
                    self.listeners.spawn(listen(socket, tells, place, self.alarms.clone()));
                }
            }
            Err(error) if !self.is_said => {
                self.is_said = true;
                warn!(?place, error = %error, "changes of a network are noticed late");
            }
            Err(_) => {}
        }
    }
}

/// Tells whether a message may be about something of ours.
type Tells = fn(&[u8]) -> bool;

/// How many sockets a watch listens at.
const SOCKETS: usize = 2;

async fn sockets(namespace: &Namespace) -> io::Result<[(TokioSocket, Tells); SOCKETS]> {
    let runtime = tokio::runtime::Handle::current();
    let opened = namespace.run(move || {
        let _runtime = runtime.enter();
        let routing = open(NETLINK_ROUTE, &GROUPS.map(|group| group as u32))?;
        Ok([(routing, is_lasting as Tells), (open(NETLINK_NETFILTER, &[NFT_GROUP])?, |_| true)])
    });
    opened.await.map_err(io::Error::other)?
}

fn open(protocol: isize, groups: &[u32]) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(protocol)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
    groups.iter().try_for_each(|group| socket.socket_ref().add_membership(*group))?;
    Ok(socket)
}

async fn listen(socket: TokioSocket, tells: Tells, place: Place, alarms: Alarms) {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        buffer.clear();
        match socket.recv(&mut buffer).await {
            Ok(()) if tells(&buffer) => alarms.raise(place),
            Ok(()) => {}
            // More was told than there is room for.
            Err(error) if is(&error, Errno::ENOBUFS) => alarms.raise(place),
            Err(error) => {
                warn!(?place, %error, "changes of a network are noticed late");
                return;
            }
        }
    }
}

/// Passes over neighbours that the kernel finds and forgets by itself, as it does all the time.
fn is_lasting(message: &[u8]) -> bool {
    let number = |at: usize| Some(u16::from_ne_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let is_permanent = number(STATE_AT).is_some_and(|state| state & STATE_PERMANENT != 0);
    number(4) != Some(NEW_NEIGHBOUR) || is_permanent || message.get(FAMILY_AT) == Some(&FAMILY_BRIDGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::Links;
    use rtnetlink::LinkBridge;

    /// Makes links until an alarm is raised.
    async fn is_noticed(namespace: &Namespace, alarms: &Alarms) {
        let links = Links::of(namespace).await.unwrap();
        let bridge = LinkBridge::new("bridge0").build();
        links.handle.link().add(bridge).execute().await.unwrap();
        // What was raised before may have left a wake-up behind.
        while alarms.take().is_empty() {
            alarms.wait().await;
        }
        links.delete("bridge0").await.unwrap();
    }

    #[tokio::test]
    async fn a_watch_that_ended_is_begun_again() {
        let (namespace, alarms) = (Namespace::temporary().await.unwrap(), Alarms::default());
        let mut watch = Watch::begin(&namespace, Place::Host, &alarms).await;
        is_noticed(&namespace, &alarms).await;
        watch.listeners.shutdown().await;
        alarms.take();
        watch.renew().await;
        assert_eq!(watch.listeners.len(), SOCKETS);
        is_noticed(&namespace, &alarms).await;
    }
}
