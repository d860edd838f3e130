//! Connections as the kernel tracks them, and which of them go where they would not go any more.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use super::ports::{Opening, PortKey, Protocol};
use super::uplink::UplinkAddresses;

/// A connection as conntrack knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Its transport; `None` for one that no ports are published for.
    pub protocol: Option<Protocol>,
    /// What the client speaks to; port 0 where the transport has none.
    pub destination: SocketAddr,
    /// Who answers.
    pub answerer: SocketAddr,
}

impl Flow {
    /// Tells whether a host, whose own addresses are `local`, hands a connection to a sandbox though the port is published
    /// no more, or does not though it is now. The latter happens to datagrams only: while a client goes on sending them,
    /// the kernel goes on treating them as it did at first.
    pub fn is_misled_by_host(
        &self,
        sandbox: UplinkAddresses,
        openings: &BTreeSet<Opening>,
        local: &BTreeSet<IpAddr>,
    ) -> bool {
        let Some(protocol) = self.protocol else { return false };
        let is_published = || openings.iter().any(|opening| opening.is_at(protocol, self.destination));
        if sandbox.is_sandbox(self.answerer.ip()) {
            return !is_published();
        }
        let is_own = self.answerer == self.destination && local.contains(&self.destination.ip());
        protocol == Protocol::Udp && is_own && is_published()
    }

    /// Tells whether a sandbox leads a connection to a published port where it would not lead it now, or refuses it though
    /// it would not now; `targets` are the sockets behind a port.
    pub fn is_misled_by_sandbox<'a>(
        &self,
        sandbox: UplinkAddresses,
        targets: impl FnOnce(PortKey) -> &'a BTreeSet<SocketAddr>,
    ) -> bool {
        let port = NonZeroU16::new(self.destination.port());
        let (Some(protocol), Some(port)) = (self.protocol, port) else { return false };
        if !sandbox.is_sandbox(self.destination.ip()) {
            return false;
        }
        let targets = targets(PortKey { protocol, port });
        match sandbox.is_sandbox(self.answerer.ip()) {
            true => !targets.is_empty(),
            false => !targets.contains(&self.answerer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::NodeShort;
    use super::*;

    fn sandbox() -> UplinkAddresses {
        UplinkAddresses::candidates(&NodeShort::of("ab12cd34").unwrap()).next().unwrap()
    }

    /// Whether a host at 192.0.2.1 that publishes 53/udp at all addresses and 54/udp at another one misleads a flow.
    fn is_misled(protocol: Protocol, destination: &str, answerer: &str) -> bool {
        let end = sandbox().sandbox_ipv4().to_string();
        let opening = |port: u16, host_ip: Option<&str>| Opening {
            key: PortKey { protocol: Protocol::Udp, port: port.try_into().unwrap() },
            host_ip: host_ip.map(|text| text.parse().unwrap()),
        };
        let openings = [opening(53, None), opening(54, Some("192.0.2.2"))].into();
        let (destination, answerer) =
            (destination.parse().unwrap(), answerer.replace("end", &end).parse().unwrap());
        let flow = Flow { protocol: Some(protocol), destination, answerer };
        flow.is_misled_by_host(sandbox(), &openings, &["192.0.2.1".parse().unwrap()].into())
    }

    #[test]
    fn what_is_handed_over_is_forgotten_when_its_port_is_published_no_more() {
        assert!(is_misled(Protocol::Udp, "192.0.2.1:55", "end:55"));
        assert!(is_misled(Protocol::Tcp, "192.0.2.1:53", "end:53"));
        assert!(is_misled(Protocol::Udp, "192.0.2.1:54", "end:54"), "it is published at another address");
        assert!(!is_misled(Protocol::Udp, "192.0.2.1:53", "end:53"));
    }

    #[test]
    fn datagrams_to_the_host_itself_are_forgotten_when_their_port_is_published() {
        assert!(is_misled(Protocol::Udp, "192.0.2.1:53", "192.0.2.1:53"));
        assert!(!is_misled(Protocol::Tcp, "192.0.2.1:53", "192.0.2.1:53"), "a program accepted it");
        assert!(!is_misled(Protocol::Udp, "192.0.2.9:53", "192.0.2.9:53"), "the host only forwards it");
        assert!(!is_misled(Protocol::Udp, "192.0.2.1:55", "192.0.2.1:55"));
    }
}
