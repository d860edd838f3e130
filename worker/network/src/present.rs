//! The addresses and routes that a namespace has, as the kernel shows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteType,
};
use worker_core::network::addressing::GATEWAY_IPV6;

use crate::link_error::LinkError;
use crate::links::{Link, Links};
use crate::routes::{LAST_RESORT_METRIC, Route, Way, family_of};

/// A route as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresentRoute {
    pub(crate) destination: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) metric: u32,
    pub(crate) link: Option<u32>,
    pub(crate) gateway: Option<IpAddr>,
    /// Whether it leads nowhere, with an answer saying so.
    pub(crate) unreachable: bool,
    /// Whether it leads in no way that routes of ours do: dropped without an answer, by several links, for some packets.
    pub(crate) odd: bool,
    /// Whether a program made it in the main table, and not the kernel by itself.
    pub(crate) made: bool,
    /// The routing table, as far as it has a number below 256.
    pub(crate) table: u8,
    /// How large packets may be that take it, in bytes, if it says so.
    pub(crate) mtu: Option<u32>,
    /// What the kernel told, by which it takes the route back.
    message: RouteMessage,
}

impl PresentRoute {
    /// Tells whether it is taken after all others.
    pub(crate) fn is_last_resort(&self) -> bool {
        self.metric == LAST_RESORT_METRIC
    }

    fn route(&self) -> Route {
        Route { destination: self.destination, prefix: self.prefix, way: Way::Unreachable }
    }
}

/// An address as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentAddress {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) link: u32,
}

impl Links {
    /// Lists the addresses of all links.
    pub(crate) async fn addresses(&self) -> Result<Vec<PresentAddress>, LinkError> {
        let told = self.dump("addresses", RouteNetlinkMessage::GetAddress(AddressMessage::default())).await?;
        let address = |message| match message {
            RouteNetlinkMessage::NewAddress(message) => present_address(message),
            _ => None,
        };
        Ok(told.into_iter().filter_map(address).collect())
    }

    /// Removes a route that was found.
    pub(crate) async fn delete_found_route(&self, found: &PresentRoute) -> Result<(), LinkError> {
        self.forget(found.route(), found.message.clone()).await
    }

    /// Lists the routes of all tables.
    pub(crate) async fn routes(&self) -> Result<Vec<PresentRoute>, LinkError> {
        self.list_routes(&[]).await
    }

    /// Lists the routes by one link.
    pub(crate) async fn routes_by(&self, link: &Link) -> Result<Vec<PresentRoute>, LinkError> {
        self.list_routes(&[RouteAttribute::Oif(link.index)]).await
    }

    async fn list_routes(&self, of: &[RouteAttribute]) -> Result<Vec<PresentRoute>, LinkError> {
        let mut routes = Vec::new();
        for any in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
            let mut request = RouteMessage::default();
            request.header.address_family = family_of(any);
            request.attributes.extend_from_slice(of);
            for told in self.dump("routes", RouteNetlinkMessage::GetRoute(request)).await? {
                if let RouteNetlinkMessage::NewRoute(message) = told {
                    routes.push(present_route(message, any));
                }
            }
        }
        Ok(routes)
    }
}

fn present_address(message: AddressMessage) -> Option<PresentAddress> {
    let (link, prefix) = (message.header.index, message.header.prefix_len);
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
    Some(PresentAddress { address, prefix, link })
}

fn present_route(message: RouteMessage, any: IpAddr) -> PresentRoute {
    let header = &message.header;
    let (mut destination, mut metric, mut link, mut gateway, mut mtu) = (any, 0, None, None, None);
    let is_for_some = header.tos != 0 || header.source_prefix_length != 0;
    let mut odd = is_for_some || !matches!(header.kind, RouteType::Unicast | RouteType::Unreachable);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip_of(address).unwrap_or(any),
            RouteAttribute::Gateway(address) => gateway = ip_of(address),
            RouteAttribute::Oif(index) => link = Some(*index),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Metrics(metrics) => mtu = metrics.iter().find_map(mtu_of),
            RouteAttribute::MultiPath(_) | RouteAttribute::Encap(_) | RouteAttribute::Via(_) => odd = true,
            _ => {}
        }
    }
    PresentRoute {
        destination,
        prefix: header.destination_prefix_length,
        metric,
        link,
        gateway,
        unreachable: header.kind == RouteType::Unreachable,
        odd,
        made: header.table == RouteHeader::RT_TABLE_MAIN && header.protocol != RouteProtocol::Kernel,
        table: header.table,
        mtu,
        message,
    }
}

fn mtu_of(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
}

/// Tells whether the kernel gives a link this address by itself.
pub(crate) fn is_the_kernels(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unicast_link_local() && address != GATEWAY_IPV6
        }
    }
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
