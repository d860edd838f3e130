//! Forwarding in the host's namespace: switched on when it is off, guarded while we were the ones, switched off at the end.

use tracing::{info, warn};
use worker_core::network::Guard;

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::links::Link;
use crate::namespace::Namespace;
use crate::sysctl::{self, Setting, SysctlError};
use crate::uplink::{guard_of_others, guard_of_own};

const IPV4: &str = "ipv4/ip_forward";
const IPV6: &str = "ipv6/conf/all/forwarding";

/// Decides which families this daemon guards: those that forward for us alone, by its own record or another daemon's,
/// and those that do not forward yet.
pub(crate) async fn guard(
    config: &NetworkConfig,
    host: &Namespace,
    links: &[Link],
    ipv6: bool,
) -> Result<Guard, NetworkError> {
    let own = config.node()?;
    let off = Guard {
        ipv4: sysctl::read(host, IPV4).await? == "0",
        ipv6: ipv6 && sysctl::read(host, IPV6).await? == "0",
    };
    Ok(off.union(guard_of_own(links, &own)).union(guard_of_others(links, &own)))
}

/// Switches forwarding on; the rules that guard it are loaded by then.
pub(crate) async fn switch_on(host: &Namespace, ipv6: bool) -> Result<(), NetworkError> {
    if sysctl::read(host, IPV4).await? == "0" {
        sysctl::apply(host, vec![Setting::new(IPV4, "1")]).await?;
        info!("ipv4 forwarding switched on");
    }
    if ipv6 && sysctl::read(host, IPV6).await? == "0" {
        // A router ignores advertisements unless told otherwise, and the host would lose its addresses.
        sysctl::keep_router_advertisements(host).await?;
        sysctl::apply(host, vec![Setting::new(IPV6, "1")]).await?;
        info!("ipv6 forwarding switched on");
    }
    Ok(())
}

/// Says what is switched off that should not be.
pub(crate) async fn differences(host: &Namespace, ipv6: bool) -> Result<Vec<String>, SysctlError> {
    let mut told = Vec::new();
    for key in [IPV4].into_iter().chain(ipv6.then_some(IPV6)) {
        // Whatever else it is, it is on.
        if sysctl::read(host, key).await? == "0" {
            told.push(format!("the setting net/{key} of the host is 0 instead of 1"));
        }
    }
    Ok(told)
}

/// Switches off again what was on for `released` only and no other daemon needs.
pub(crate) async fn switch_off(host: &Namespace, released: Guard, others: Guard) -> Result<(), NetworkError> {
    for (key, ours, needed) in [(IPV4, released.ipv4, others.ipv4), (IPV6, released.ipv6, others.ipv6)] {
        if ours && !needed {
            sysctl::apply(host, vec![Setting::new(key, "0")]).await?;
            warn!(setting = key, "forwarding switched off again");
        }
    }
    Ok(())
}
