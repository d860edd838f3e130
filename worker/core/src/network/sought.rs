//! Which of a namespace's connections are looked at, so that not all of them have to be listed.

use std::net::IpAddr;

use super::flow::Flow;
use super::ports::{PortKey, Protocol};

/// What connections have in common that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sought {
    /// Nothing: all are looked at.
    Any,
    /// This address answers them.
    AnsweredBy(IpAddr),
    /// They go to this port, at any address.
    To(PortKey),
    /// They are of this protocol.
    Of(Protocol),
}

impl Sought {
    /// Returns how a connection is found again by where it goes; one without ports has nothing of its own.
    pub fn like(flow: &Flow) -> Self {
        let port = flow.destination.port().try_into().ok();
        flow.protocol.zip(port).map_or(Self::Any, |(protocol, port)| Self::To(PortKey { protocol, port }))
    }
}
