//! The link below the tunnels: the one that has the data path's address.

use std::net::IpAddr;

use crate::link_error::LinkError;
use crate::links::Links;

/// Finds the MTU of the host's link with this address, in bytes; `None` when no link has it.
pub(crate) async fn mtu_of(host: &Links, address: IpAddr) -> Result<Option<u32>, LinkError> {
    let addresses = host.addresses().await?;
    let Some(present) = addresses.into_iter().find(|present| present.address == address) else {
        return Ok(None);
    };
    let links = host.list().await?;
    Ok(links.into_iter().find(|link| link.index == present.link).map(|link| link.mtu))
}
