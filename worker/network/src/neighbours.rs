//! Permanent neighbours of one namespace, and where its tunnels send what is for a hardware address.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use worker_core::overlay::Mac;

use crate::link_error::{LinkError, kernel_error};
use crate::links::{Link, Links, is};
use crate::routes::family_of;

/// A permanent neighbour, or an entry of a tunnel's forwarding table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// The neighbour's address, or the host the tunnel sends to.
    pub(crate) address: IpAddr,
    pub(crate) mac: Mac,
}

impl Links {
    /// Names a neighbour's hardware address, in the place of the one it had.
    pub(crate) async fn put_neighbour(&self, link: &Link, neighbour: Neighbour) -> Result<(), LinkError> {
        let request = self.handle.neighbours().add(link.index, neighbour.address);
        let request = request.link_layer_address(&neighbour.mac.0).state(NeighbourState::Permanent).replace();
        request.execute().await.map_err(|error| self.not_changed("set", neighbour.address, link, error))
    }

    /// Forgets a neighbour; nothing happens when it has gone already.
    pub(crate) async fn delete_neighbour(&self, link: &Link, address: IpAddr) -> Result<(), LinkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = family_of(address);
        message.header.ifindex = link.index;
        message.attributes.push(NeighbourAttribute::Destination(address.into()));
        self.delete_entry(message, link, address).await
    }

    /// Lets a tunnel send what is for a hardware address to a host, in the place of the one before.
    pub(crate) async fn put_forwarding(&self, link: &Link, entry: Neighbour) -> Result<(), LinkError> {
        let request = self.handle.neighbours().add_bridge(link.index, &entry.mac.0);
        let request = request.flags(NeighbourFlags::Own).state(NeighbourState::Permanent);
        let request = request.destination(entry.address).replace();
        request.execute().await.map_err(|error| self.not_changed("set", entry.mac, link, error))
    }

    /// Lets a tunnel send nothing to a hardware address any more.
    pub(crate) async fn delete_forwarding(&self, link: &Link, mac: Mac) -> Result<(), LinkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = link.index;
        message.header.flags = NeighbourFlags::Own;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
        self.delete_entry(message, link, mac).await
    }

    /// Lists the permanent neighbours on a link.
    pub(crate) async fn neighbours(&self, link: &Link) -> Result<Vec<Neighbour>, LinkError> {
        let mut all = self.neighbours_of(AddressFamily::Inet, link).await?;
        all.extend(self.neighbours_of(AddressFamily::Inet6, link).await?);
        Ok(all)
    }

    /// Lists where a tunnel sends what.
    pub(crate) async fn forwarding(&self, link: &Link) -> Result<Vec<Neighbour>, LinkError> {
        self.neighbours_of(AddressFamily::Bridge, link).await
    }

    async fn neighbours_of(&self, family: AddressFamily, link: &Link) -> Result<Vec<Neighbour>, LinkError> {
        let mut request = NeighbourMessage::default();
        request.header.family = family;
        let told = self.dump("neighbours", RouteNetlinkMessage::GetNeighbour(request)).await?;
        let message = |told| match told {
            RouteNetlinkMessage::NewNeighbour(message) => Some(message),
            _ => None,
        };
        let ours = told.into_iter().filter_map(message).filter(|found| found.header.ifindex == link.index);
        let permanent = ours.filter(|message| message.header.state == NeighbourState::Permanent);
        Ok(permanent.filter_map(|message| neighbour_of(&message)).collect())
    }

    async fn delete_entry(
        &self,
        message: NeighbourMessage,
        link: &Link,
        neighbour: impl Display,
    ) -> Result<(), LinkError> {
        match self.handle.neighbours().del(message).execute().await {
            Err(rtnetlink::Error::NetlinkError(message)) if is(&message.to_io(), Errno::ENOENT) => Ok(()),
            Err(error) => Err(self.not_changed("remove", neighbour, link, error)),
            Ok(()) => Ok(()),
        }
    }

    fn not_changed(
        &self,
        verb: &'static str,
        neighbour: impl Display,
        link: &Link,
        error: rtnetlink::Error,
    ) -> LinkError {
        LinkError::Neighbour {
            verb,
            neighbour: neighbour.to_string(),
            link: link.name.clone(),
            namespace: self.namespace().to_owned(),
            source: kernel_error(error),
        }
    }
}

/// Reads an entry; one that sends by another link, to another port or network is as good as none.
fn neighbour_of(message: &NeighbourMessage) -> Option<Neighbour> {
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(destination) => address = ip_of(destination),
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac)
            }
            NeighbourAttribute::Port(_) | NeighbourAttribute::Vni(_) | NeighbourAttribute::IfIndex(_) => {
                return None;
            }
            _ => {}
        }
    }
    Some(Neighbour { address: address?, mac: mac? })
}

/// Reads an address; those of a forwarding table come as bytes, since their family is that of bridges.
fn ip_of(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(address) => Some((*address).into()),
        NeighbourAddress::Inet6(address) => Some((*address).into()),
        NeighbourAddress::Other(bytes) => {
            let ipv4 = <[u8; 4]>::try_from(bytes.as_slice()).map(Ipv4Addr::from).ok().map(IpAddr::V4);
            ipv4.or_else(|| <[u8; 16]>::try_from(bytes.as_slice()).map(Ipv6Addr::from).ok().map(IpAddr::V6))
        }
        _ => None,
    }
}
