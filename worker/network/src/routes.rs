//! The addresses and routes of one namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteScope, RouteType,
};

use crate::link_error::{LinkError, kernel_error};
use crate::links::{Link, Links, is};

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

    fn message(&self) -> RouteMessage {
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
        }
        message
    }

    fn failed(&self, verb: &'static str, links: &Links, error: rtnetlink::Error) -> LinkError {
        LinkError::Route {
            verb,
            destination: self.destination,
            prefix: self.prefix,
            namespace: links.namespace().to_owned(),
            source: kernel_error(error),
        }
    }
}

/// A route as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentRoute {
    pub(crate) destination: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) link: Option<u32>,
}

/// An address as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentAddress {
    pub(crate) address: IpAddr,
    pub(crate) link: u32,
}

impl Links {
    /// Puts an address on a link, usable at once and without a route of its own; it may be there already.
    pub(crate) async fn put_address(
        &self,
        link: &Link,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        let mut request = self.handle.address().add(link.index, address, prefix).replace();
        let flags = AddressFlags::Noprefixroute | AddressFlags::Nodad;
        request.message_mut().attributes.push(AddressAttribute::Flags(flags));
        request.execute().await.map_err(|error| LinkError::Address {
            address,
            prefix,
            link: link.name.clone(),
            namespace: self.namespace().to_owned(),
            source: kernel_error(error),
        })
    }

    /// Lists the addresses of all links.
    pub(crate) async fn addresses(&self) -> Result<Vec<PresentAddress>, LinkError> {
        let listed: Result<Vec<_>, _> = self.handle.address().get().execute().try_collect().await;
        let messages = listed.map_err(|error| self.unlisted("addresses", error))?;
        Ok(messages.into_iter().filter_map(present_address).collect())
    }

    /// Makes a route, or puts it in the place of one with the same destination.
    pub(crate) async fn put_route(&self, route: Route) -> Result<(), LinkError> {
        let request = self.handle.route().add(route.message()).replace();
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

    /// Removes a route.
    pub(crate) async fn delete_route(&self, route: Route) -> Result<(), LinkError> {
        let request = self.handle.route().del(route.message());
        request.execute().await.map_err(|error| route.failed("delete", self, error))
    }

    /// Lists the routes of all tables.
    pub(crate) async fn routes(&self) -> Result<Vec<PresentRoute>, LinkError> {
        let mut routes = Vec::new();
        let ipv4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let ipv6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        for (family, any) in
            [(ipv4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)), (ipv6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
        {
            let listed: Result<Vec<_>, _> = self.handle.route().get(family).execute().try_collect().await;
            let messages = listed.map_err(|error| self.unlisted("routes", error))?;
            routes.extend(messages.into_iter().map(|message| present_route(&message, any)));
        }
        Ok(routes)
    }
}

fn present_address(message: AddressMessage) -> Option<PresentAddress> {
    let link = message.header.index;
    let local = |attribute: &AddressAttribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    };
    // IPv6 addresses that are not point-to-point come without IFA_LOCAL.
    let either = |attribute: &AddressAttribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    };
    let attributes = &message.attributes;
    let address = attributes.iter().find_map(local).or_else(|| attributes.iter().find_map(either))?;
    Some(PresentAddress { address, link })
}

fn present_route(message: &RouteMessage, any: IpAddr) -> PresentRoute {
    let mut route =
        PresentRoute { destination: any, prefix: message.header.destination_prefix_length, link: None };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => route.destination = (*address).into(),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
                route.destination = (*address).into()
            }
            RouteAttribute::Oif(link) => route.link = Some(*link),
            _ => {}
        }
    }
    route
}

/// The prefix length of a single address.
pub(crate) fn host_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
