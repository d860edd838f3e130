//! A container's namespace and the link that joins it to the sandbox.

use std::net::IpAddr;

use ipnet::IpNet;
use nix::errno::Errno;
use worker_core::network::names::CONTAINER_LINK;
use worker_core::network::{Access, Attachment, InterfaceAddress, TaskShort};

use crate::error::NetworkError;
use crate::link_error::LinkError;
use crate::links::{Link, Links, VethPair, is};
use crate::namespace::Namespace;
use crate::routes::{Route, Way};
use crate::sandbox;
use crate::sysctl::{self, Setting};

/// Makes a namespace that has a loopback only, and returns it.
pub(crate) async fn make_bare(attachment: &Attachment) -> Result<Namespace, NetworkError> {
    let namespace = Namespace::create(&attachment.netns).await?;
    no_router(&namespace).await?;
    let links = Links::of(&namespace).await?;
    let lo = links.expect("lo").await?;
    links.set_up(&lo).await?;
    Ok(namespace)
}

/// Keeps a container in several networks from passing packets on between them: a new namespace takes after the host,
/// which forwards.
async fn no_router(namespace: &Namespace) -> Result<(), NetworkError> {
    let mut settings = vec![Setting::new("ipv4/ip_forward", "0")];
    if sysctl::kernel_has_ipv6() {
        settings.push(Setting::new("ipv6/conf/all/forwarding", "0"));
    }
    Ok(sysctl::apply(namespace, settings).await?)
}

/// Makes a namespace and joins it to the sandbox, and returns it; completes what an interrupted attempt left.
pub(crate) async fn make(
    attachment: &Attachment,
    short: &TaskShort,
    sandbox_links: &Links,
    mtu: u32,
) -> Result<Namespace, NetworkError> {
    let namespace = Namespace::create(&attachment.netns).await?;
    no_router(&namespace).await?;
    let link = join(&namespace, short, sandbox_links, (mtu, attachment.access)).await?;
    sandbox::settle(sandbox_links, &link, &addresses_of(attachment)).await?;
    furnish(&namespace, CONTAINER_LINK, &attachment.addresses, Reach::Everything).await?;
    Ok(namespace)
}

/// Sees to it that a running container is joined to the sandbox; its own namespace is changed only if
/// its link was lost or is to take other packets.
pub(crate) async fn rejoin(
    attachment: &Attachment,
    short: &TaskShort,
    sandbox_links: &Links,
    mtu: u32,
) -> Result<(), NetworkError> {
    let Some(link) = sandbox_links.find(&short.link()).await? else {
        return make(attachment, short, sandbox_links, mtu).await.map(drop);
    };
    let inside = Links::of(&Namespace::open(&attachment.netns)?).await?;
    match inside.find(CONTAINER_LINK).await? {
        Some(far) if link.is_paired_with(&far) => {
            for (links, end) in [(&inside, &far), (sandbox_links, &link)] {
                if end.mtu != mtu {
                    links.set_mtu(end, mtu).await?;
                }
            }
            sandbox_links.set_group(&link, attachment.access.link_group()).await?;
            sandbox::settle(sandbox_links, &link, &addresses_of(attachment)).await
        }
        _ => {
            // Whatever has the name leads elsewhere.
            sandbox_links.delete(&link.name).await?;
            make(attachment, short, sandbox_links, mtu).await.map(drop)
        }
    }
}

async fn join(
    namespace: &Namespace,
    short: &TaskShort,
    sandbox_links: &Links,
    (mtu, access): (u32, Access),
) -> Result<Link, NetworkError> {
    let group = access.link_group();
    if let Some(link) = sandbox_links.find(&short.link()).await? {
        return Ok(link);
    }
    let pair = VethPair { name: &short.link(), peer: CONTAINER_LINK, peer_in: namespace, mtu, group };
    match sandbox_links.add_veth(pair).await {
        // It leads elsewhere, as when its other end was given another name.
        Err(LinkError::Add { source, .. }) if is(&source, Errno::EEXIST) => {
            Links::of(namespace).await?.delete(CONTAINER_LINK).await?;
            Ok(sandbox_links.add_veth(pair).await?)
        }
        link => Ok(link?),
    }
}

/// What a container's link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All there is.
    Everything,
    /// The subnets its addresses are from.
    Subnets,
    /// Nothing: it is there for those who come by it.
    Nothing,
}

impl Reach {
    fn route(self, held: &InterfaceAddress, link: &Link) -> Option<Route> {
        match self {
            Self::Everything => Some(Route::default_by(held.gateway, link)),
            Self::Nothing => None,
            Self::Subnets => {
                let single = IpNet::from(held.address);
                let subnet = IpNet::new(held.address, held.prefix).map_or(single, |net| net.trunc());
                let way = Way::Gateway(held.gateway, link.index);
                Some(Route { destination: subnet.addr(), prefix: subnet.prefix_len(), way })
            }
        }
    }
}

/// Gives the container's end of a link its addresses, and routes to what it leads to.
pub(crate) async fn furnish(
    namespace: &Namespace,
    interface: &str,
    addresses: &[InterfaceAddress],
    reach: Reach,
) -> Result<(), NetworkError> {
    if addresses.iter().any(|held| held.address.is_ipv6()) {
        let conf = |key: &str| Setting::new(format!("ipv6/conf/{interface}/{key}"), "0");
        let settings = vec![conf("disable_ipv6"), conf("accept_ra"), conf("accept_dad")];
        sysctl::apply(namespace, settings).await?;
    }
    let links = Links::of(namespace).await?;
    let lo = links.expect("lo").await?;
    links.set_up(&lo).await?;
    let link = links.expect(interface).await?;
    links.set_up(&link).await?;
    for held in addresses {
        links.put_address(&link, held.address, held.prefix).await?;
        if let Some(route) = reach.route(held, &link) {
            links.put_route(route).await?;
        }
    }
    Ok(())
}

fn addresses_of(attachment: &Attachment) -> Vec<IpAddr> {
    attachment.addresses.iter().map(|held| held.address).collect()
}
