//! What the ingress network has besides: a link to the host, the gate there, and ways for answers inside containers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tracing::info;
use worker_core::network::{Flow, InterfaceAddress, Opening, UplinkAddresses, Wiring};
use worker_core::overlay::mesh::{ANSWER_MARK, ANSWERS_TABLE};
use worker_core::overlay::names::UPLINK;
use worker_core::overlay::{Gate, Interface, Rules, inside};

use crate::conntrack;
use crate::error::NetworkError;
use crate::link_error::LinkError;
use crate::links::{Link, Links};
use crate::marked::MarkedTable;
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::nft_loaded::Loaded;
use crate::overlay::error::OverlayFault;
use crate::overlay::host_side::HostSide;
use crate::overlay::settle::{Ground, Sandbox};
use crate::routes::{Route, Way};
use crate::sysctl::{self, Setting};
use crate::uplink::{UplinkPlace, addresses_of, check_owner};

/// The table of answers to clients, in the sandbox and in containers.
pub(crate) const ANSWERS: MarkedTable = MarkedTable { id: ANSWERS_TABLE, mark: ANSWER_MARK };

/// Sees to it that a sandbox is linked to the host, and routes answers by their mark.
pub(crate) async fn uplink(ground: Ground<'_>, sandbox: &Sandbox) -> Result<UplinkAddresses, OverlayFault> {
    let node = ground.config.node().map_err(boxed)?;
    let host = ground.host;
    let place = UplinkPlace {
        config: ground.config,
        name: &node.mesh_uplink(),
        host: &host.namespace,
        host_links: &host.links,
        sandbox: &sandbox.namespace,
        sandbox_links: &sandbox.links,
        guard: host.guard,
        ipv6: host.ipv6,
    };
    let uplink = place.ensure().await.map_err(Box::new)?;
    put_rules(&sandbox.links, host.ipv6).await?;
    Ok(uplink.addresses)
}

/// Returns the gate that goes with a sandbox's rules; `None` for other networks than the ingress network.
pub(crate) fn gate(ground: Ground<'_>, rules: &Rules) -> Result<Option<Gate>, OverlayFault> {
    let node = ground.config.node().map_err(boxed)?;
    Ok(Gate::to(rules, node, &ground.host.subnets))
}

/// A gate that the host has.
#[derive(Debug)]
pub(crate) struct LoadedGate {
    gate: Gate,
    pub(crate) loaded: Loaded,
}

/// Makes the host have a gate; tells besides whether anything had to be changed.
pub(crate) async fn load_gate(
    ground: Ground<'_>,
    before: Option<LoadedGate>,
    gate: Gate,
) -> Result<(LoadedGate, bool), OverlayFault> {
    let script = match &before {
        Some(before) => before.gate.change(&gate),
        None => Some(gate.script()),
    };
    match (before, script) {
        (Some(before), None) => Ok((before, false)),
        (before, script) => {
            let (table, whole) = (gate.node.mesh_table(), || gate.script());
            let script = script.unwrap_or_else(whole);
            let loaded = Loaded::load(ground.nft, &ground.host.namespace, &table, script, whole).await?;
            if before.is_none_or(|before| before.gate.ports != gate.ports) {
                forget(ground.host, gate.uplink, gate.ports.clone()).await?;
            }
            Ok((LoadedGate { gate, loaded }, true))
        }
    }
}

/// Says what is missing of the link between the host and a sandbox, and of the way answers take.
pub(crate) async fn differences(
    ground: Ground<'_>,
    sandbox: &Sandbox,
    addresses: &UplinkAddresses,
) -> Result<Vec<String>, OverlayFault> {
    let host = ground.host;
    let uplink = ground.config.node().map_err(boxed)?.mesh_uplink();
    let (here, there) =
        (Wiring::of_host(&uplink, addresses, host.ipv6), Wiring::of_uplink(addresses, host.ipv6));
    let mut told = here.missing_in(&host.links.wiring().await?);
    told.extend(there.missing_in(&sandbox.links.wiring().await?));
    for ipv6 in [false, true].into_iter().filter(|ipv6| !ipv6 || host.ipv6) {
        if !sandbox.links.has_mark_rule(ipv6, ANSWERS).await? {
            let family = if ipv6 { "IPv6" } else { "IPv4" };
            told.push(format!("the rule that routes {family} answers to clients is missing"));
        }
    }
    Ok(told)
}

/// Tells whether a sandbox is that of the ingress network.
pub(crate) async fn is_linked(sandbox: &Sandbox) -> Result<bool, LinkError> {
    Ok(sandbox.links.find(UPLINK).await?.is_some())
}

/// Takes the gate away, and the link with it, of whichever sandbox it was; nothing happens when they are not there.
pub(crate) async fn remove(ground: Ground<'_>) -> Result<(), OverlayFault> {
    let node = ground.config.node().map_err(boxed)?;
    let host = ground.host;
    ground.nft.load(&host.namespace, &node.mesh_table(), Gate::removal(&node)).await?;
    if let Some(link) = host.links.find(&node.mesh_uplink()).await? {
        check_owner(ground.config, &host.namespace, &link).map_err(boxed)?;
        if let Some(uplink) = addresses_of(&host.links, &link).await? {
            forget(host, uplink, BTreeSet::new()).await?;
        }
        host.links.delete(&link.name).await?;
        info!("no port is published on every node any more");
    }
    Ok(())
}

/// Has the host forget connections that go elsewhere now. Those under way would else go on to be led to where nobody is,
/// datagrams to a new port go on to be refused.
async fn forget(
    host: &HostSide,
    uplink: UplinkAddresses,
    ports: BTreeSet<Opening>,
) -> Result<(), OverlayFault> {
    let local = host.links.addresses().await?.into_iter().map(|present| present.address).collect();
    let is_stale = move |flow: &Flow| flow.is_misled_by_host(uplink, &ports, &local);
    conntrack::forget(&host.namespace, is_stale).await?;
    Ok(())
}

/// Leads what answers clients of the ingress network back by a container's link there. What the container sends by itself
/// goes where it went before; one without a way out answers by the link, and the sandbox lets nothing else out.
pub(crate) async fn lead_answers_back(
    nft: &Nft,
    container: &Namespace,
    interface: Interface,
    addresses: &[InterfaceAddress],
    mtu: u32,
) -> Result<(), OverlayFault> {
    let filter = |link: &str| Setting::new(format!("ipv4/conf/{link}/rp_filter"), "0");
    // No route of the container explains clients that come by this link.
    sysctl::apply(container, vec![filter("all"), filter(&interface.to_string())]).await?;
    let links = Links::of(container).await?;
    let link = links.expect(&interface.to_string()).await?;
    let mut pairs = Vec::new();
    for held in addresses {
        let back = Route::default_by(held.gateway, &link);
        match way_out(&links, &link, held.address.is_ipv4()).await? {
            Some((route, own)) => {
                // Programs choose the size of their packets by the way out, which answers do not take.
                links.limit_route(route, mtu).await?;
                links.put_marked_route(back, ANSWERS).await?;
                pairs.push((held.address, own));
            }
            None => links.put_route(back).await?,
        }
    }
    if !pairs.is_empty() {
        put_rules(&links, addresses.iter().any(|held| held.address.is_ipv6())).await?;
        nft.load(container, inside::TABLE, inside::script(interface, &pairs)).await?;
    }
    Ok(())
}

/// Finds a container's default route by another link, and the address that programs send from by it.
async fn way_out(links: &Links, besides: &Link, ipv4: bool) -> Result<Option<(Route, IpAddr)>, LinkError> {
    let routes = links.routes().await?;
    let found = routes.into_iter().find_map(|route| {
        let (link, gateway) = (route.link.filter(|link| *link != besides.index)?, route.gateway?);
        let is_way_out = route.made && route.prefix == 0 && route.destination.is_ipv4() == ipv4;
        let way = Way::Gateway(gateway, link);
        is_way_out.then_some((link, Route { destination: route.destination, prefix: 0, way }))
    });
    let Some((link, route)) = found else { return Ok(None) };
    let is_global = |address: &IpAddr| match address {
        IpAddr::V4(_) => ipv4,
        IpAddr::V6(address) => !ipv4 && !address.is_unicast_link_local(),
    };
    let present = links.addresses().await?.into_iter().filter(|present| present.link == link);
    let own = present.map(|present| present.address).find(is_global);
    Ok(own.map(|own| (route, own)))
}

async fn put_rules(links: &Links, ipv6: bool) -> Result<(), LinkError> {
    links.put_mark_rule(false, ANSWERS).await?;
    if ipv6 {
        links.put_mark_rule(true, ANSWERS).await?;
    }
    Ok(())
}

fn boxed(error: impl Into<NetworkError>) -> Box<NetworkError> {
    Box::new(error.into())
}
