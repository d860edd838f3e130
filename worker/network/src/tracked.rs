//! What a namespace's connection tracking knows of a connection.

use std::net::{IpAddr, SocketAddr};

use netlink_packet_netfilter::conntrack::{
    self, ConntrackAttribute, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple, Tuple,
};
use worker_core::network::{Flow, Protocol};

/// `TCP_CONNTRACK_ESTABLISHED`, `TCP_CONNTRACK_FIN_WAIT` and `TCP_CONNTRACK_CLOSE_WAIT` of the kernel's `nf_conntrack_tcp.h`.
const OPEN: [u8; 3] = [3, 4, 5];

/// A connection, with both names of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tracked {
    pub(crate) flow: Flow,
    /// Who began it.
    pub(crate) client: SocketAddr,
    /// Whom the answerer sees in the client's place, where that is hidden; else the client.
    pub(crate) seen: SocketAddr,
    /// Whether its client may be waiting for data: it is established, and not closed by both sides.
    pub(crate) is_open: bool,
}

/// The two directions of a connection.
pub(crate) struct Connection {
    original: Vec<Tuple>,
    pub(crate) reply: Vec<Tuple>,
    /// How far it has come, if it is one of TCP.
    state: Option<u8>,
}

impl Connection {
    /// Reads a connection that was listed.
    pub(crate) fn of(attributes: Vec<ConntrackAttribute>) -> Self {
        let mut connection = Self { original: Vec::new(), reply: Vec::new(), state: None };
        for attribute in attributes {
            match attribute {
                ConntrackAttribute::CtaTupleOrig(tuples) => connection.original = tuples,
                ConntrackAttribute::CtaTupleReply(tuples) => connection.reply = tuples,
                ConntrackAttribute::CtaProtoInfo(parts) => connection.state = parts.iter().find_map(state),
                _ => {}
            }
        }
        connection
    }

    /// Returns what of it matters; `None` for one without addresses.
    pub(crate) fn tracked(&self) -> Option<Tracked> {
        let protocol = find_proto(&self.original, |part| match part {
            ProtoTuple::Protocol(conntrack::Protocol::Tcp) => Some(Protocol::Tcp),
            ProtoTuple::Protocol(conntrack::Protocol::Udp) => Some(Protocol::Udp),
            ProtoTuple::Protocol(conntrack::Protocol::Sctp) => Some(Protocol::Sctp),
            _ => None,
        });
        let flow =
            Flow { protocol, destination: destination(&self.original)?, answerer: source(&self.reply)? };
        Some(Tracked {
            flow,
            client: source(&self.original)?,
            seen: destination(&self.reply)?,
            is_open: self.state.is_some_and(|state| OPEN.contains(&state)),
        })
    }
}

fn state(part: &ProtoInfo) -> Option<u8> {
    let ProtoInfo::TCP(parts) = part else { return None };
    parts.iter().find_map(|part| match part {
        ProtoInfoTCP::State(state) => Some(*state),
        _ => None,
    })
}

fn source(direction: &[Tuple]) -> Option<SocketAddr> {
    let address = find(direction, |part| match part {
        IPTuple::SourceAddress(address) => Some(*address),
        _ => None,
    })?;
    let port = find_proto(direction, |part| match part {
        ProtoTuple::SourcePort(port) => Some(*port),
        _ => None,
    });
    Some(SocketAddr::new(address, port.unwrap_or_default()))
}

fn destination(direction: &[Tuple]) -> Option<SocketAddr> {
    let address = find(direction, |part| match part {
        IPTuple::DestinationAddress(address) => Some(*address),
        _ => None,
    })?;
    let port = find_proto(direction, |part| match part {
        ProtoTuple::DestinationPort(port) => Some(*port),
        _ => None,
    });
    Some(SocketAddr::new(address, port.unwrap_or_default()))
}

fn find(tuples: &[Tuple], want: impl Fn(&IPTuple) -> Option<IpAddr>) -> Option<IpAddr> {
    tuples.iter().find_map(|tuple| match tuple {
        Tuple::Ip(parts) => parts.iter().find_map(&want),
        _ => None,
    })
}

fn find_proto<T>(tuples: &[Tuple], want: impl Fn(&ProtoTuple) -> Option<T>) -> Option<T> {
    tuples.iter().find_map(|tuple| match tuple {
        Tuple::Proto(parts) => parts.iter().find_map(&want),
        _ => None,
    })
}
