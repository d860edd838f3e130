//! The sandbox: the namespace that routes between containers and the uplink.

use std::net::IpAddr;

use worker_core::network::Subnets;
use worker_core::network::addressing::GATEWAY_IPV6;

use crate::error::NetworkError;
use crate::links::{Link, Links};
use crate::namespace::Namespace;
use crate::routes::{Route, Way, host_prefix};
use crate::sysctl::{self, Setting};

/// Makes a namespace a router; changes nothing in one that is a router already.
pub(crate) async fn prepare(
    sandbox: &Namespace,
    links: &Links,
    subnets: &Subnets,
) -> Result<(), NetworkError> {
    sysctl::apply(sandbox, settings(subnets.ipv6.is_some())).await?;
    let lo = links.expect("lo").await?;
    links.set_up(&lo).await?;
    // One gateway for every container link: ARP answers for it on any link, neighbour discovery does not (see `settle`).
    let gateway = IpAddr::V4(subnets.gateway_ipv4());
    links.put_address(&lo, gateway, host_prefix(gateway)).await?;
    let ipv4 = (IpAddr::V4(subnets.ipv4.network()), subnets.ipv4.prefix());
    let ipv6 = subnets.ipv6.map(|subnet| (IpAddr::V6(subnet.network()), subnet.prefix()));
    if let Some(router) = subnets.router_ipv6().map(IpAddr::V6) {
        links.put_address(&lo, router, host_prefix(router)).await?;
    }
    for (destination, prefix) in [ipv4].into_iter().chain(ipv6) {
        // What no container has must not leave by the uplink.
        links.put_route(Route { destination, prefix, way: Way::Unreachable }).await?;
    }
    Ok(())
}

/// Readies the sandbox's end of a container's link: up, with the gateway, and routes to the container's addresses.
pub(crate) async fn settle(links: &Links, link: &Link, addresses: &[IpAddr]) -> Result<(), NetworkError> {
    links.set_up(link).await?;
    if addresses.iter().any(IpAddr::is_ipv6) {
        links.put_address(link, IpAddr::V6(GATEWAY_IPV6), 64).await?;
    }
    for address in addresses {
        links.put_route(Route::to_neighbour(*address, link)).await?;
    }
    Ok(())
}

/// The settings of a namespace that routes between containers.
pub(crate) fn settings(ipv6: bool) -> Vec<Setting> {
    let mut settings = vec![Setting::new("ipv4/ip_forward", "1")];
    for links in ["all", "default"] {
        let ipv4_conf = |key: &str| Setting::new(format!("ipv4/conf/{links}/{key}"), "0");
        // Clients keep their own addresses, which no route of the sandbox explains.
        settings.push(ipv4_conf("rp_filter"));
        settings.push(ipv4_conf("accept_redirects"));
    }
    if ipv6 {
        settings.push(Setting::new("ipv6/conf/all/disable_ipv6", "0"));
        settings.push(Setting::new("ipv6/conf/default/disable_ipv6", "0"));
        settings.push(Setting::new("ipv6/conf/all/forwarding", "1"));
        settings.push(Setting::new("ipv6/conf/default/accept_ra", "0"));
        settings.push(Setting::new("ipv6/conf/default/accept_dad", "0"));
        // fe80::1 is the only link-local address a container link needs.
        settings.push(Setting::new("ipv6/conf/default/addr_gen_mode", "1"));
    }
    settings
}
