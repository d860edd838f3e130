//! Changes of a namespace are noticed as they are made, whoever makes them.
//!
//! The kernel tells of changes of links, addresses, routes, neighbours, policy rules and nft tables. What it tells is not
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
use crate::namespace::{Namespace, NamespaceError};

/// The group that is told of changes of nft tables (the kernel's `NFNLGRP_NFTABLES`).
const NFT_GROUP: u32 = 7;

/// What is told of routing and links.
const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
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
    _listeners: JoinSet<()>,
}

impl Watch {
    /// Begins to listen. Where the kernel does not let it, changes are found by the audit only.
    pub(crate) async fn begin(namespace: &Namespace, place: Place, alarms: &Alarms) -> Self {
        let mut listeners = JoinSet::new();
        match sockets(namespace).await {
            Ok(Ok(sockets)) => {
                for (socket, tells) in sockets {
                    listeners.spawn(listen(socket, tells, place, alarms.clone()));
                }
            }
            Ok(Err(error)) => warn!(?place, %error, "changes of a network are noticed late"),
            Err(error) => warn!(?place, %error, "changes of a network are noticed late"),
        }
        Self { _listeners: listeners }
    }
}

/// Tells whether a message may be about something of ours.
type Tells = fn(&[u8]) -> bool;

async fn sockets(namespace: &Namespace) -> Result<io::Result<[(TokioSocket, Tells); 2]>, NamespaceError> {
    let runtime = tokio::runtime::Handle::current();
    let opened = namespace.run(move || {
        let _runtime = runtime.enter();
        let routing = open(NETLINK_ROUTE, &GROUPS.map(|group| group as u32))?;
        Ok([(routing, is_lasting as Tells), (open(NETLINK_NETFILTER, &[NFT_GROUP])?, |_| true)])
    });
    opened.await
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
