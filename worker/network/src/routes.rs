//! The addresses and routes of one namespace, put there and taken away.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};

use crate::link_error::{LinkError, kernel_error};
use crate::links::{Link, Links, is};

/// The metric of an answer for addresses that no other route leads to, even one to the very same destination.
pub(crate) const LAST_RESORT_METRIC: u32 = 1_000_000;

/// A route to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) destination: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) way: Way,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Everything at the destination is on the link with this index.
    Link(u32),
    /// Through a gateway that is taken to be on the link, whatever other routes say.
    Gateway(IpAddr, u32),
    /// Nowhere, with an answer saying so.
    Unreachable,
    /// The same, beside another route to the same destination, which is taken first.
    LastResort,
}

impl Route {
    /// The route of everything that has no other.
    pub(crate) fn default_by(gateway: IpAddr, link: &Link) -> Self {
        let destination = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { destination, prefix: 0, way: Way::Gateway(gateway, link.index) }
    }

    /// The route to a single neighbour.
    pub(crate) fn to_neighbour(address: IpAddr, link: &Link) -> Self {
        Self { destination: address, prefix: host_prefix(address), way: Way::Link(link.index) }
    }

    pub(crate) fn message(&self) -> RouteMessage {
        let mut message = match self.destination {
            IpAddr::V4(_) => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            IpAddr::V6(_) => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        message.header.destination_prefix_length = self.prefix;
        message.attributes.push(RouteAttribute::Destination(self.destination.into()));
        match self.way {
            Way::Link(link) => {
                message.header.scope = RouteScope::Link;
                message.attributes.push(RouteAttribute::Oif(link));
            }
            Way::Gateway(gateway, link) => {
                message.header.flags |= RouteFlags::Onlink;
                message.attributes.push(RouteAttribute::Gateway(gateway.into()));
                message.attributes.push(RouteAttribute::Oif(link));
            }
            Way::Unreachable => message.header.kind = RouteType::Unreachable,
            Way::LastResort => {
                message.header.kind = RouteType::Unreachable;
                message.attributes.push(RouteAttribute::Priority(LAST_RESORT_METRIC));
            }
        }
        message
    }

    pub(crate) fn failed(&self, verb: &'static str, links: &Links, error: rtnetlink::Error) -> LinkError {
        LinkError::Route {
            verb,
            destination: self.destination,
            prefix: self.prefix,
            namespace: links.namespace().to_owned(),
            source: kernel_error(error),
        }
    }
}

impl Links {
    /// Puts an address on a link, usable at once and without a route of its own; it may be there already.
    pub(crate) async fn put_address(
        &self,
        link: &Link,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        self.put_address_with(link, address, prefix, AddressFlags::Nodad).await
    }

    /// Puts an address on a link where others may have it: that is asked for while it is in use already, as far as the
    /// link's settings and the kernel allow, and an IPv6 address that somebody has is given up.
    pub(crate) async fn put_address_checked(
        &self,
        link: &Link,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        // The kernel knows it of IPv6 only.
        let detection = if address.is_ipv6() { AddressFlags::Optimistic } else { AddressFlags::empty() };
        self.put_address_with(link, address, prefix, detection).await
    }

    async fn put_address_with(
        &self,
        link: &Link,
        address: IpAddr,
        prefix: u8,
        detection: AddressFlags,
    ) -> Result<(), LinkError> {
        let mut request = self.handle.address().add(link.index, address, prefix).replace();
        let flags = AddressFlags::Noprefixroute | detection;
        request.message_mut().attributes.push(AddressAttribute::Flags(flags));
        request.execute().await.map_err(|error| LinkError::Address {
            address,
            prefix,
            link: link.name.clone(),
            namespace: self.namespace().to_owned(),
            source: kernel_error(error),
        })
    }

    /// Takes an address from a link; nothing happens when it has gone already.
    pub(crate) async fn delete_address(
        &self,
        link: &Link,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        let mut message = AddressMessage::default();
        message.header.family = family_of(address);
        message.header.index = link.index;
        message.header.prefix_len = prefix;
        message.attributes.push(AddressAttribute::Local(address));
        match self.handle.address().del(message).execute().await.map_err(kernel_error) {
            Err(source) if !is(&source, Errno::EADDRNOTAVAIL) => {
                let (link, namespace) = (link.name.clone(), self.namespace().to_owned());
                Err(LinkError::AddressStays { address, link, namespace, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes a route, or puts it in the place of one with the same destination.
    pub(crate) async fn put_route(&self, route: Route) -> Result<(), LinkError> {
        let request = self.handle.route().add(route.message()).replace();
        request.execute().await.map_err(|error| route.failed("add", self, error))
    }

    /// Puts a route in the place of the one with the same destination, for packets of this many bytes at most.
    pub(crate) async fn limit_route(&self, route: Route, mtu: u32) -> Result<(), LinkError> {
        let mut message = route.message();
        message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        let request = self.handle.route().add(message).replace();
        request.execute().await.map_err(|error| route.failed("add", self, error))
    }

    /// Makes a route unless there is one with the same destination; tells whether it did. The kernel decides between two
    /// that try at once.
    pub(crate) async fn claim_route(&self, route: Route) -> Result<bool, LinkError> {
        match self.handle.route().add(route.message()).execute().await {
            Ok(()) => Ok(true),
            Err(rtnetlink::Error::NetlinkError(message)) if is(&message.to_io(), Errno::EEXIST) => Ok(false),
            Err(error) => Err(route.failed("add", self, error)),
        }
    }

    /// Removes a route, whichever program made it; nothing happens when it has gone already.
    pub(crate) async fn delete_route(&self, route: Route) -> Result<(), LinkError> {
        self.forget(route, route.message()).await
    }

    /// Removes a route that is told in full.
    pub(crate) async fn forget(&self, route: Route, mut message: RouteMessage) -> Result<(), LinkError> {
        message.header.protocol = RouteProtocol::Unspec;
        match self.handle.route().del(message).execute().await {
            Ok(()) => Ok(()),
            Err(rtnetlink::Error::NetlinkError(message)) if is(&message.to_io(), Errno::ESRCH) => Ok(()),
            Err(error) => Err(route.failed("delete", self, error)),
        }
    }
}

/// The family of an address, as the kernel counts it.
pub(crate) fn family_of(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// The prefix length of a single address.
pub(crate) fn host_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
