//! A container's namespace and the link that joins it to the sandbox.

use std::net::IpAddr;

use worker_core::network::names::CONTAINER_LINK;
use worker_core::network::{Attachment, InterfaceAddress, TaskShort};

use crate::error::NetworkError;
use crate::links::{Link, Links, VethPair};
use crate::namespace::Namespace;
use crate::routes::Route;
use crate::sandbox;
use crate::sysctl::{self, Setting};

/// Makes a namespace that has a loopback only.
pub(crate) async fn make_bare(attachment: &Attachment) -> Result<(), NetworkError> {
    let namespace = Namespace::create(&attachment.netns).await?;
    let links = Links::of(&namespace).await?;
    let lo = links.expect("lo").await?;
    Ok(links.set_up(&lo).await?)
}

/// Makes a namespace and joins it to the sandbox; completes what an interrupted attempt left.
pub(crate) async fn make(
    attachment: &Attachment,
    short: &TaskShort,
    sandbox_links: &Links,
    mtu: u32,
) -> Result<(), NetworkError> {
    let namespace = Namespace::create(&attachment.netns).await?;
    let link = join(&namespace, short, sandbox_links, mtu).await?;
    sandbox::settle(sandbox_links, &link, &addresses_of(attachment)).await?;
    furnish(&namespace, &attachment.addresses).await
}

/// Sees to it that a running container is joined to the sandbox; its own namespace is touched only if its link was lost.
pub(crate) async fn rejoin(
    attachment: &Attachment,
    short: &TaskShort,
    sandbox_links: &Links,
    mtu: u32,
) -> Result<(), NetworkError> {
    match sandbox_links.find(&short.link()).await? {
        Some(link) => sandbox::settle(sandbox_links, &link, &addresses_of(attachment)).await,
        None => make(attachment, short, sandbox_links, mtu).await,
    }
}

async fn join(
    namespace: &Namespace,
    short: &TaskShort,
    sandbox_links: &Links,
    mtu: u32,
) -> Result<Link, NetworkError> {
    if let Some(link) = sandbox_links.find(&short.link()).await? {
        return Ok(link);
    }
    let pair = VethPair { name: &short.link(), peer: CONTAINER_LINK, peer_in: namespace, mtu, group: 0 };
    Ok(sandbox_links.add_veth(pair).await?)
}

/// Gives the container's end its addresses and default routes.
async fn furnish(namespace: &Namespace, addresses: &[InterfaceAddress]) -> Result<(), NetworkError> {
    if addresses.iter().any(|held| held.address.is_ipv6()) {
        let conf = |key: &str| Setting::new(format!("ipv6/conf/{CONTAINER_LINK}/{key}"), "0");
        let settings = vec![conf("disable_ipv6"), conf("accept_ra"), conf("accept_dad")];
        sysctl::apply(namespace, settings).await?;
    }
    let links = Links::of(namespace).await?;
    let lo = links.expect("lo").await?;
    links.set_up(&lo).await?;
    let eth0 = links.expect(CONTAINER_LINK).await?;
    links.set_up(&eth0).await?;
    for held in addresses {
        links.put_address(&eth0, held.address, held.prefix).await?;
        links.put_route(Route::default_by(held.gateway, &eth0)).await?;
    }
    Ok(())
}

fn addresses_of(attachment: &Attachment) -> Vec<IpAddr> {
    attachment.addresses.iter().map(|held| held.address).collect()
}
