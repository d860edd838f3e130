//! The way of answers inside containers that publish ports: back by the ingress network's link, whatever else they have.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proto::model::{NetworkInfo, TaskId};
use worker_core::network::InterfaceAddress;
use worker_core::overlay::mesh::ANSWERS_TABLE;
use worker_core::overlay::{Container, Interface, container_addresses, inside};

use crate::link_error::LinkError;
use crate::links::{Link, Links};
use crate::namespace::Namespace;
use crate::nft::{Nft, NftError};
use crate::nft_dump::{Dump, Part};
use crate::overlay::error::OverlayFault;
use crate::overlay::mesh::{ANSWERS, put_rules};
use crate::overlay::settle::Ground;
use crate::present::PresentRoute;
use crate::routes::{Route, Way};
use crate::sysctl::{self, Setting};

/// A container of the ingress network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) info: &'a NetworkInfo,
    pub(crate) task: TaskId,
    pub(crate) container: Container,
    /// The largest packet that its link takes, in bytes.
    pub(crate) mtu: u32,
}

impl Publisher<'_> {
    /// Says what of the way is missing. A container that is not held is passed over, as is one without the link, which is
    /// told of the sandbox.
    pub(crate) async fn differences(&self, ground: Ground<'_>) -> Result<Vec<String>, OverlayFault> {
        let Some(namespace) = ground.host.containers.get(&self.task.to_string()) else {
            return Ok(Vec::new());
        };
        let links = Links::of(&namespace).await?;
        let Some(link) = links.find(&self.container.interface.to_string()).await? else {
            return Ok(Vec::new());
        };
        let routes = links.routes().await?;
        let mut told = Vec::new();
        let mut pairs = Vec::new();
        for held in container_addresses(self.info, self.container.number) {
            let leads_back = |route: &PresentRoute, table: u8| {
                route.table == table && route.prefix == 0 && route.gateway == Some(held.gateway)
            };
            let family = if held.address.is_ipv4() { "IPv4" } else { "IPv6" };
            let Some((way, own)) = way_out(&links, &link, held.address.is_ipv4()).await? else { continue };
            pairs.push((held.address, own));
            let is_limited = |route: &PresentRoute| {
                route.made
                    && route.prefix == 0
                    && route.destination == way.destination
                    && route.mtu == Some(self.mtu)
            };
            if !routes.iter().any(is_limited) {
                told.push(format!("its {family} default route is for packets of any size"));
            }
            if !routes.iter().any(|route| leads_back(route, ANSWERS_TABLE)) {
                told.push(format!("its route of {family} answers to clients is missing"));
            }
            if !links.has_mark_rule(held.address.is_ipv6(), ANSWERS).await? {
                told.push(format!("its rule that routes {family} answers to clients is missing"));
            }
        }
        if !pairs.is_empty() && rules_of(&namespace).await? != inside::sizes(&pairs) {
            told.push(format!("its nft table {} is not as it was made", inside::TABLE));
        }
        let task = self.task;
        Ok(told.into_iter().map(|said| format!("the container of task {task}: {said}")).collect())
    }

    /// Puts back what of the way is missing.
    pub(crate) async fn put_back(&self, ground: Ground<'_>) -> Result<(), OverlayFault> {
        let Some(namespace) = ground.host.containers.get(&self.task.to_string()) else { return Ok(()) };
        let addresses = container_addresses(self.info, self.container.number);
        lead_answers_back(ground.nft, &namespace, self.container.interface, &addresses, self.mtu).await
    }
}

/// Counts the rules of each chain of the table in a container; none of a table that is not there.
async fn rules_of(container: &Namespace) -> Result<BTreeMap<String, usize>, OverlayFault> {
    let path = container.path().to_owned();
    let looked = container.run(|| Dump::open()?.tables(inside::TABLE)).await?;
    let tables = looked.map_err(|source| NftError::Look { namespace: path, source })?;
    let chain = |(part, content): (Part, _)| match part {
        Part::Chain(_, name) => Some((name, content)),
        Part::Table(_) | Part::Set(..) => None,
    };
    let chains = tables.parts.into_iter().map(|(part, content)| (part, content.entries));
    Ok(chains.filter_map(chain).collect())
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
