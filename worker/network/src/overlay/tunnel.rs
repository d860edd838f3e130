//! The VXLAN device of a network: its packets' socket is the host's, the device is the sandbox's.

use std::net::IpAddr;
use std::path::Path;

use nix::errno::Errno;
use proto::model::NetworkId;
use rtnetlink::LinkVxlan;
use rtnetlink::packet_route::link::{InfoData, InfoVxlan};
use worker_core::network::names::VXLAN_PORT as PORT;
use worker_core::overlay::names::TUNNEL;
use worker_core::overlay::{Mac, Tunnel};

use crate::link_error::LinkError;
use crate::links::{Link, Links, is};
use crate::namespace::Namespace;
use crate::overlay::error::OverlayError;

/// Makes the tunnel inside a sandbox. It is asked for in the host's namespace, so that the kernel opens its socket there.
pub(crate) async fn add(
    network: NetworkId,
    host: &Links,
    sandbox: &Namespace,
    tunnel: &Tunnel,
) -> Result<(), OverlayError> {
    let link = LinkVxlan::new(TUNNEL, tunnel.vni).port(PORT).learning(false);
    let link = match tunnel.local {
        IpAddr::V4(address) => link.local(address),
        IpAddr::V6(address) => link.local6(address),
    };
    let link = link.address(tunnel.mac.0.to_vec()).mtu(tunnel.mtu).setns_by_fd(sandbox.raw_fd()).build();
    host.add(TUNNEL, link, "vxlan", "CONFIG_VXLAN").await.map_err(|error| match error {
        LinkError::Add { source, .. } if is(&source, Errno::EEXIST) => {
            OverlayError::VniTaken { network, vni: tunnel.vni }
        }
        error => OverlayError::failed("make the tunnel of", network)(error),
    })
}

/// Reads back what a tunnel is; `None` for a link that is no tunnel of ours.
pub(crate) fn read(link: &Link) -> Option<Tunnel> {
    let Some(InfoData::Vxlan(infos)) = &link.data else { return None };
    let (mut vni, mut local, mut port, mut learning) = (None, None, None, None);
    for info in infos {
        match info {
            InfoVxlan::Id(id) => vni = Some(*id),
            InfoVxlan::Local(address) => local = Some(IpAddr::V4(*address)),
            InfoVxlan::Local6(address) => local = Some(IpAddr::V6(*address)),
            InfoVxlan::Port(number) => port = Some(*number),
            InfoVxlan::Learning(learns) => learning = Some(*learns),
            _ => {}
        }
    }
    let mac = Mac(link.address.as_slice().try_into().ok()?);
    let ours = port == Some(PORT) && learning == Some(false);
    ours.then_some(Tunnel { vni: vni?, local: local?, mac, mtu: link.mtu })
}

/// Deletes the tunnel of a sandbox, if there is one. A namespace that is merely let go of dies when the kernel has time,
/// and until then its tunnel keeps the network's number from being used again.
pub(crate) async fn remove_tunnel(network: NetworkId, sandbox: &Path) -> Result<(), OverlayError> {
    if !Namespace::is_bound(sandbox).map_err(OverlayError::failed("examine", network))? {
        return Ok(());
    }
    let namespace = Namespace::open(sandbox).map_err(OverlayError::failed("remove", network))?;
    let links = Links::of(&namespace).await.map_err(OverlayError::failed("remove", network))?;
    links.delete(TUNNEL).await.map_err(OverlayError::failed("remove", network))
}
