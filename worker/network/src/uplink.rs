//! Uplinks: the veth pairs between the host and a sandbox, made once and found again after a restart.

use std::net::IpAddr;

use tracing::info;
use worker_core::network::names::SANDBOX_UPLINK;
use worker_core::network::uplink::{PREFIX_IPV4, PREFIX_IPV6};
use worker_core::network::{Guard, NodeShort, Occupied, UplinkAddresses};

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::link_error::LinkError;
use crate::links::{Link, Links, VethPair};
use crate::namespace::Namespace;
use crate::routes::{Route, Way};
use crate::sysctl::{self, Setting, SysctlError};

/// The MTU where the host has no default route to take it from.
const MTU_UNKNOWN: u32 = 1500;

/// The uplink that is in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uplink {
    pub(crate) addresses: UplinkAddresses,
    pub(crate) mtu: u32,
}

/// Where an uplink is to be, and what it is to be like.
pub(crate) struct UplinkPlace<'a> {
    pub(crate) config: &'a NetworkConfig,
    /// The name of the host's end.
    pub(crate) name: &'a str,
    pub(crate) host: &'a Namespace,
    pub(crate) host_links: &'a Links,
    pub(crate) sandbox: &'a Namespace,
    pub(crate) sandbox_links: &'a Links,
    pub(crate) guard: Guard,
    pub(crate) ipv6: bool,
    /// The MTU of an uplink that was made before, in bytes; without, one that is there keeps its own.
    pub(crate) mtu: Option<u32>,
}

impl UplinkPlace<'_> {
    /// Takes the uplink over when it is whole, and makes it anew when it is not.
    pub(crate) async fn ensure(&self) -> Result<Uplink, NetworkError> {
        let name = self.name;
        let present = self.host_links.find(name).await?;
        if let Some(link) = &present {
            check_owner(self.config, self.host, link)?;
            if let Some((addresses, far)) = self.whole(link).await? {
                let mtu = self.mtu.unwrap_or(link.mtu);
                for (links, end) in [(self.host_links, link), (self.sandbox_links, &far)] {
                    if end.mtu != mtu {
                        links.set_mtu(end, mtu).await?;
                    }
                }
                self.host_links.set_group(link, self.guard.link_group()).await?;
                self.sandbox_links.set_group(&far, 0).await?;
                self.raise(link).await?;
                self.settle(link, addresses).await?;
                return Ok(Uplink { addresses, mtu });
            }
            info!(link = %name, "uplink is not whole, made anew");
        }
        self.host_links.delete(name).await?;
        self.sandbox_links.delete(SANDBOX_UPLINK).await?;
        self.make(name).await
    }

    /// Returns the addresses and the sandbox's end of an uplink both of whose ends are in place.
    async fn whole(&self, link: &Link) -> Result<Option<(UplinkAddresses, Link)>, NetworkError> {
        let far = self.sandbox_links.find(SANDBOX_UPLINK).await?;
        let Some(far) = far.filter(|far| far.is_plain_pair() && link.is_paired_with(far)) else {
            return Ok(None);
        };
        Ok(addresses_of(self.host_links, link).await?.map(|addresses| (addresses, far)))
    }

    async fn make(&self, name: &str) -> Result<Uplink, NetworkError> {
        let mtu = host_mtu(self.host_links).await?;
        // The group goes in with the link, the alias cannot: a link with our group and no alias is a half-made one of ours.
        let pair = VethPair {
            name,
            peer: SANDBOX_UPLINK,
            peer_in: self.sandbox,
            mtu,
            group: self.guard.link_group(),
        };
        let link = self.host_links.add_veth(pair).await?;
        self.host_links.set_alias(&link, &self.config.uplink_alias()).await?;
        self.raise(&link).await?;
        let addresses = self.claim(&link).await?;
        self.settle(&link, addresses).await?;
        info!(link = %name, host = %addresses.host_ipv4(), sandbox = %addresses.sandbox_ipv4(), mtu, "uplink made");
        Ok(Uplink { addresses, mtu })
    }

    /// Takes the first link addresses nobody has; the routes to them are the claim, since the kernel gives each to one only.
    async fn claim(&self, link: &Link) -> Result<UplinkAddresses, NetworkError> {
        let occupied = occupied_besides(self.host_links, link).await?;
        let free = UplinkAddresses::candidates(&self.config.node()?).filter(|slot| slot.is_free(&occupied));
        for addresses in free {
            let [ipv4, ipv6] = link_routes(link, &addresses);
            if !self.host_links.claim_route(ipv4).await? {
                continue;
            }
            if !self.ipv6 || self.host_links.claim_route(ipv6).await? {
                return Ok(addresses);
            }
            self.host_links.delete_route(ipv4).await?;
        }
        let (link, namespace) = (link.name.clone(), self.host.path().to_owned());
        Err(NetworkError::NoLinkAddresses { link, namespace })
    }

    /// Makes the settings of the host's end, then switches both ends on.
    async fn raise(&self, link: &Link) -> Result<(), NetworkError> {
        sysctl::apply(self.host, host_settings(&link.name, self.ipv6)).await?;
        self.host_links.set_up(link).await?;
        let far = self.sandbox_links.expect(SANDBOX_UPLINK).await?;
        Ok(self.sandbox_links.set_up(&far).await?)
    }

    /// Sees to it that both ends have their addresses and routes; changes nothing that is right.
    async fn settle(&self, link: &Link, addresses: UplinkAddresses) -> Result<(), NetworkError> {
        let far = self.sandbox_links.expect(SANDBOX_UPLINK).await?;
        let [to_sandbox_ipv4, to_sandbox_ipv6] = link_routes(link, &addresses);
        let (host, sandbox) = (addresses.host_ipv4().into(), addresses.sandbox_ipv4().into());
        self.host_links.put_address(link, host, PREFIX_IPV4).await?;
        self.host_links.put_route(to_sandbox_ipv4).await?;
        self.sandbox_links.put_address(&far, sandbox, PREFIX_IPV4).await?;
        self.sandbox_links.put_route(Route::default_by(host, &far)).await?;
        if self.ipv6 {
            let (host, sandbox) = (addresses.host_ipv6().into(), addresses.sandbox_ipv6().into());
            self.host_links.put_address(link, host, PREFIX_IPV6).await?;
            self.host_links.put_route(to_sandbox_ipv6).await?;
            self.sandbox_links.put_address(&far, sandbox, PREFIX_IPV6).await?;
            self.sandbox_links.put_route(Route::default_by(host, &far)).await?;
        }
        Ok(())
    }
}

/// Reads the addresses of an uplink from the host's end.
pub(crate) async fn addresses_of(links: &Links, link: &Link) -> Result<Option<UplinkAddresses>, LinkError> {
    let present = links.addresses().await?;
    let ours = present.iter().filter(|present| present.link == link.index);
    let mut found = ours.filter_map(|present| match present.address {
        IpAddr::V4(address) => UplinkAddresses::of_host_end(address),
        IpAddr::V6(_) => None,
    });
    Ok(found.next())
}

/// Refuses a link of our name that another node made.
pub(crate) fn check_owner(config: &NetworkConfig, host: &Namespace, link: &Link) -> Result<(), NetworkError> {
    let ours = match &link.alias {
        Some(alias) => *alias == config.uplink_alias(),
        None => Guard::of_link_group(link.group).is_some(),
    };
    if ours {
        return Ok(());
    }
    Err(NetworkError::NameTaken {
        link: link.name.clone(),
        namespace: host.path().to_owned(),
        alias: link.alias.clone().unwrap_or_default(),
    })
}

/// Says which settings of an uplink's end on the host are not as they were made.
pub(crate) async fn setting_differences(
    host: &Namespace,
    link: &str,
    ipv6: bool,
) -> Result<Vec<String>, SysctlError> {
    sysctl::differences(host, host_settings(link, ipv6)).await
}

/// Settings of the host's end: 127.0.0.1 reaches published ports through it, nothing is learned from it.
fn host_settings(link: &str, ipv6: bool) -> Vec<Setting> {
    let ipv6_conf = |key: &str, value| Setting::new(format!("ipv6/conf/{link}/{key}"), value);
    let mut settings = vec![Setting::new(format!("ipv4/conf/{link}/route_localnet"), "1")];
    if ipv6 {
        settings.push(ipv6_conf("disable_ipv6", "0"));
        settings.push(ipv6_conf("accept_ra", "0"));
        settings.push(ipv6_conf("accept_dad", "0"));
    }
    settings
}

fn link_routes(link: &Link, addresses: &UplinkAddresses) -> [Route; 2] {
    let way = Way::Link(link.index);
    [
        Route { destination: addresses.network_ipv4().into(), prefix: PREFIX_IPV4, way },
        Route { destination: addresses.network_ipv6().into(), prefix: PREFIX_IPV6, way },
    ]
}

async fn occupied_besides(links: &Links, own: &Link) -> Result<Occupied, NetworkError> {
    let addresses = links.addresses().await?;
    let routes = links.routes().await?;
    Ok(Occupied {
        addresses: addresses
            .into_iter()
            .filter(|present| present.link != own.index)
            .map(|present| present.address)
            .collect(),
        routes: routes
            .into_iter()
            .filter(|route| route.link != Some(own.index))
            .map(|route| (route.destination, route.prefix))
            .collect(),
    })
}

/// The smallest MTU of the links that lead out of the host.
async fn host_mtu(links: &Links) -> Result<u32, NetworkError> {
    let ways_out: Vec<_> = links
        .routes()
        .await?
        .into_iter()
        .filter(|route| route.prefix == 0)
        .filter_map(|route| route.link)
        .collect();
    let present = links.list().await?;
    let mtus = present.iter().filter(|link| ways_out.contains(&link.index)).map(|link| link.mtu);
    Ok(mtus.min().unwrap_or(MTU_UNKNOWN))
}

/// Returns what the uplinks of other daemons in this namespace guard.
pub(crate) fn guard_of_others(links: &[Link], own: &NodeShort) -> Guard {
    let own = [own.uplink(), own.mesh_uplink()];
    links
        .iter()
        .filter(|link| !own.contains(&link.name))
        .filter_map(|link| Guard::of_link_group(link.group))
        .fold(Guard::default(), Guard::union)
}

/// Returns what an uplink guards by its own record.
pub(crate) fn guard_of_own(links: &[Link], own: &NodeShort) -> Guard {
    let name = own.uplink();
    let link = links.iter().find(|link| link.name == name);
    link.and_then(|link| Guard::of_link_group(link.group)).unwrap_or_default()
}
