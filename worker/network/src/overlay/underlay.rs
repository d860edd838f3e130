//! The link below the tunnels: the one that has the data path's address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::link_error::LinkError;
use crate::links::Links;
use crate::present::PresentAddress;

/// The host's addresses, each with the MTU of its link, in bytes.
#[derive(Debug)]
pub(crate) struct Underlay(BTreeMap<IpAddr, u32>);

impl Underlay {
    /// Reads what the host has.
    pub(crate) async fn read(host: &Links) -> Result<Self, LinkError> {
        let links = host.list().await?;
        let mtus: BTreeMap<u32, u32> = links.into_iter().map(|link| (link.index, link.mtu)).collect();
        let addresses = host.addresses().await?.into_iter();
        let mtu = |present: PresentAddress| Some((present.address, *mtus.get(&present.link)?));
        Ok(Self(addresses.filter_map(mtu).collect()))
    }

    /// Returns the MTU of the link with this address, in bytes; `None` when no link has it.
    pub(crate) fn mtu(&self, address: IpAddr) -> Option<u32> {
        self.0.get(&address).copied()
    }
}
