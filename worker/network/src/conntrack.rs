//! Connections a namespace tracks: those that go where they would not go any more are forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use nix::errno::Errno;
use thiserror::Error;
use worker_core::network::{Flow, Sought};

use crate::conntrack_filter::{Listing, listings};
use crate::links::is;
use crate::namespace::{Namespace, NamespaceError};
use crate::netfilter_socket::NetfilterSocket;
use crate::tracked::{Connection, Tracked};

/// Where the kernel says how many connections it knows in the reader's namespace.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Netlink messages begin at multiples of this many bytes.
const ALIGNMENT: usize = 4;

/// Why connections could not be forgotten.
#[derive(Debug, Error)]
pub enum ConntrackError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no socket to the kernel's connection tracking.
    #[error("cannot open a socket to connection tracking in the namespace {namespace}")]
    Socket {
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a request.
    #[error(
        "cannot {verb} connections in the namespace {namespace}: it takes CONFIG_NF_CT_NETLINK or the module nf_conntrack_netlink"
    )]
    Refused {
        /// `list` or `forget`.
        verb: &'static str,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel's answer makes no sense.
    #[error("connection tracking in the namespace {namespace} answered what cannot be read")]
    Answer {
        /// The namespace.
        namespace: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
}

/// Forgets connections among those that are sought; tells which. The rules that lead them elsewhere are loaded by then, so
/// that none comes back.
pub(crate) async fn forget(
    namespace: &Namespace,
    sought: BTreeSet<Sought>,
    is_stale: impl Fn(&Flow) -> bool + Send + 'static,
) -> Result<Vec<Tracked>, ConntrackError> {
    let path = namespace.path().to_owned();
    namespace
        .run(move || {
            if is_none_tracked() {
                return Ok(Vec::new());
            }
            let tracking = Tracking::open(&path)?;
            let mut forgotten = Vec::new();
            for connection in tracking.list(&sought)? {
                if let Some(tracked) = connection.tracked().filter(|tracked| is_stale(&tracked.flow)) {
                    tracking.forget(connection)?;
                    forgotten.push(tracked);
                }
            }
            Ok(forgotten)
        })
        .await?
}

/// Finds connections among those that are sought.
pub(crate) async fn find_all(
    namespace: &Namespace,
    sought: BTreeSet<Sought>,
    is_wanted: impl Fn(&Tracked) -> bool + Send + 'static,
) -> Result<Vec<Tracked>, ConntrackError> {
    let path = namespace.path().to_owned();
    namespace
        .run(move || {
            if is_none_tracked() {
                return Ok(Vec::new());
            }
            let listed = Tracking::open(&path)?.list(&sought)?;
            Ok(listed.iter().filter_map(Connection::tracked).filter(is_wanted).collect())
        })
        .await?
}

/// Tells whether the namespace of the calling thread has no connections at all: a list takes the kernel through the buckets
/// of all namespaces.
fn is_none_tracked() -> bool {
    fs::read_to_string(COUNT).is_ok_and(|count| count.trim() == "0")
}

/// Finds out whether the kernel lists connections at all.
pub(crate) async fn try_listing(namespace: &Namespace) -> Result<(), ConntrackError> {
    let path = namespace.path().to_owned();
    namespace.run(move || Tracking::open(&path)?.list(&[Sought::Any].into()).map(drop)).await?
}

/// A socket to connection tracking, blocking.
struct Tracking<'a> {
    socket: NetfilterSocket,
    namespace: &'a Path,
}

impl<'a> Tracking<'a> {
    fn open(namespace: &'a Path) -> Result<Self, ConntrackError> {
        let failed = |source| ConntrackError::Socket { namespace: namespace.to_owned(), source };
        Ok(Self { socket: NetfilterSocket::open().map_err(failed)?, namespace })
    }

    /// Lists connections, at least those that are sought.
    fn list(&self, sought: &BTreeSet<Sought>) -> Result<Vec<Connection>, ConntrackError> {
        let mut listed = Vec::new();
        for Listing { family, like, same } in listings(sought) {
            let messages = self.ask("list", family, (ConntrackMessage::Get(like), &same), NLM_F_DUMP)?;
            listed.extend(messages.into_iter().map(Connection::of));
        }
        Ok(listed)
    }

    fn forget(&self, connection: Connection) -> Result<(), ConntrackError> {
        let family = match connection.tracked() {
            Some(tracked) if tracked.flow.destination.is_ipv6() => NetfilterProtoFamily::IPv6,
            Some(_) | None => NetfilterProtoFamily::IPv4,
        };
        // By its answers: a client that uses its port again may have begun another one, which somebody else answers.
        let answers = ConntrackAttribute::CtaTupleReply(connection.reply);
        match self.ask("forget", family, (ConntrackMessage::Delete(vec![answers]), &[]), NLM_F_ACK) {
            // It ended by itself meanwhile.
            Err(ConntrackError::Refused { source, .. }) if is(&source, Errno::ENOENT) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Sends one request, with one more attribute if there is one, and reads answers until the last.
    fn ask(
        &self,
        verb: &'static str,
        family: NetfilterProtoFamily,
        (request, more): (ConntrackMessage, &[u8]),
        flags: u16,
    ) -> Result<Vec<Vec<ConntrackAttribute>>, ConntrackError> {
        let refused = |source| ConntrackError::Refused { verb, namespace: self.namespace.to_owned(), source };
        let garbled = |source| ConntrackError::Answer { namespace: self.namespace.to_owned(), source };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let message = NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), request);
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        bytes.extend(more);
        if let (Ok(all), Some(length)) = (u32::try_from(bytes.len()), bytes.first_chunk_mut()) {
            *length = all.to_ne_bytes();
        }
        self.socket.send(&bytes).map_err(refused)?;
        let mut answers = Vec::new();
        loop {
            let datagram = self.socket.receive().map_err(refused)?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<NetfilterMessage>::deserialize(rest).map_err(garbled)?;
                let length = (message.header.length as usize).next_multiple_of(ALIGNMENT);
                rest = rest.get(length..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => {
                        if let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) =
                            message.inner
                        {
                            answers.push(attributes);
                        }
                    }
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(refused(error.to_io()));
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "conntrack_tests.rs"]
mod tests;
