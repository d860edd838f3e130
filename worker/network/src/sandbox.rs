//! The sandbox: the namespace that routes between containers and the uplink.

use std::net::IpAddr;

use worker_core::network::Subnets;
use worker_core::network::addressing::GATEWAY_IPV6;

use crate::error::NetworkError;
use crate::link_error::LinkError;
use crate::links::{Link, Links};
use crate::marked::MarkedTable;
use crate::namespace::Namespace;
use crate::routes::{Route, Way, host_prefix};
use crate::sysctl::{self, Setting, SysctlError};

/// Makes a namespace a router; changes nothing in one that is a router already.
pub(crate) async fn prepare(
    sandbox: &Namespace,
    links: &Links,
    subnets: &Subnets,
) -> Result<(), NetworkError> {
    let has_ipv6 = subnets.ipv6.is_some();
    sysctl::apply(sandbox, settings(has_ipv6)).await?;
    put_policy(links, has_ipv6, None).await?;
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

/// Has a sandbox ask the routing tables that it should.
pub(crate) async fn put_policy(
    links: &Links,
    ipv6: bool,
    marked: Option<MarkedTable>,
) -> Result<(), LinkError> {
    links.put_policy(false, marked).await?;
    if ipv6 {
        links.put_policy(true, marked).await?;
    }
    Ok(())
}

/// Says what of it is not so.
pub(crate) async fn policy_differences(
    links: &Links,
    ipv6: bool,
    marked: Option<MarkedTable>,
) -> Result<Vec<String>, LinkError> {
    let mut told = links.policy_differences(false, marked).await?;
    if ipv6 {
        told.extend(links.policy_differences(true, marked).await?);
    }
    Ok(told)
}

/// Says which settings of a sandbox that has these links are not as they should be.
pub(crate) async fn setting_differences<'a>(
    sandbox: &Namespace,
    ipv6: bool,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, SysctlError> {
    let of_links = names.flat_map(|name| link_settings(name, ipv6));
    sysctl::differences(sandbox, settings(ipv6).into_iter().chain(of_links).collect()).await
}

/// Makes the settings of these links of a sandbox.
pub(crate) async fn settle_settings<'a>(
    sandbox: &Namespace,
    ipv6: bool,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), SysctlError> {
    sysctl::apply(sandbox, names.flat_map(|name| link_settings(name, ipv6)).collect()).await
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

/// The settings of a link in a namespace that routes; those of a new one are so by themselves.
fn link_settings(link: &str, ipv6: bool) -> Vec<Setting> {
    let conf = |family: &str, key: &str, value| Setting::new(format!("{family}/conf/{link}/{key}"), value);
    let mut settings = vec![conf("ipv4", "forwarding", "1"), conf("ipv4", "rp_filter", "0")];
    if ipv6 {
        settings.extend([conf("ipv6", "disable_ipv6", "0"), conf("ipv6", "forwarding", "1")]);
    }
    settings
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
