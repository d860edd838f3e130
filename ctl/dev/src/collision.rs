//! Whether the machine already uses a network's addresses for something else.

use crate::{LinkError, Subnet, links::Links};
use futures::TryStreamExt;
use rtnetlink::{
    RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage},
    },
};
use std::net::{IpAddr, Ipv4Addr};

/// An address or route of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    addr: Ipv4Addr,
    prefix: u8,
    link: Option<u32>,
}

/// Lists the IPv4 addresses and routes of a namespace, leaving out the default route.
pub(crate) async fn used(links: &Links) -> Result<Vec<Used>, LinkError> {
    let addresses: Vec<AddressMessage> = links
        .handle
        .address()
        .get()
        .execute()
        .try_collect()
        .await
        .map_err(|error| links.refused("list", "addresses", error))?;
    let routes: Vec<RouteMessage> = links
        .handle
        .route()
        .get(RouteMessageBuilder::<Ipv4Addr>::new().build())
        .execute()
        .try_collect()
        .await
        .map_err(|error| links.refused("list", "routes", error))?;
    Ok(addresses.iter().filter_map(of_address).chain(routes.iter().filter_map(of_route)).collect())
}

/// What stands in the way of a network, in words; what is on the link with the index given does not.
pub(crate) fn obstacle(subnet: Subnet, used: &[Used], own_link: Option<u32>) -> Option<String> {
    used.iter()
        .filter(|used| used.link.is_none() || used.link != own_link)
        .find(|used| subnet.overlaps(used.addr, used.prefix))
        .map(|used| format!("{}/{}", used.addr, used.prefix))
}

fn of_address(message: &AddressMessage) -> Option<Used> {
    let addr = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(IpAddr::V4(addr)) => Some(*addr),
        _ => None,
    });
    Some(Used { addr: addr?, prefix: message.header.prefix_len, link: Some(message.header.index) })
}

fn of_route(message: &RouteMessage) -> Option<Used> {
    let mut found = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(addr)) => found.0 = Some(*addr),
            RouteAttribute::Oif(link) => found.1 = Some(*link),
            _ => {}
        }
    }
    let (addr, link) = found;
    let prefix = message.header.destination_prefix_length;
    (prefix > 0).then_some(Used { addr: addr?, prefix, link })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clusters_own_link_is_no_obstacle() {
        let used = [Used { addr: [10, 88, 0, 1].into(), prefix: 24, link: Some(7) }];
        assert_eq!(obstacle(Subnet::default(), &used, Some(7)), None);
        assert_eq!(obstacle(Subnet::default(), &used, None), Some("10.88.0.1/24".into()));
    }

    #[test]
    fn a_route_without_a_link_is_an_obstacle() {
        let used = [Used { addr: [10, 0, 0, 0].into(), prefix: 8, link: None }];
        assert_eq!(obstacle(Subnet::default(), &used, None), Some("10.0.0.0/8".into()));
    }
}
