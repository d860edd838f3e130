//! Reads the links, addresses and routes of a namespace as the node's own network knows them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use worker_core::network::{Leads, LedRoute, LinkShape, PairEnd, Wiring};

use crate::link_error::LinkError;
use crate::links::{Link, Links};
use crate::present::{PresentRoute, is_the_kernels};

impl Links {
    /// Reads what is there, of everybody, without the addresses that the kernel gives links by itself.
    pub(crate) async fn wiring(&self) -> Result<Wiring, LinkError> {
        let listed = self.list().await?;
        let routes = self.routes().await?;
        self.read(&listed, &routes).await
    }

    /// Does so with the routes by one link only, of which a host may have many others.
    pub(crate) async fn wiring_by(&self, name: &str) -> Result<Wiring, LinkError> {
        let listed = self.list().await?;
        let routes = match listed.iter().find(|link| link.name == name) {
            Some(link) => self.routes_by(link).await?,
            None => Vec::new(),
        };
        self.read(&listed, &routes).await
    }

    /// Removes the routes and addresses of our links that a namespace has beside what it is to have.
    pub(crate) async fn remove_foreign(&self, wanted: &Wiring) -> Result<(), LinkError> {
        let listed = self.list().await?;
        let routes = self.routes().await?;
        let found = self.read(&listed, &routes).await?;
        for (name, net) in wanted.foreign_addresses(&found) {
            if let Some(link) = listed.iter().find(|link| link.name == *name) {
                self.delete_address(link, net.addr(), net.prefix_len()).await?;
            }
        }
        let names = names_of(&listed);
        let is_foreign =
            |route: &&PresentRoute| led(route, &names).is_some_and(|led| wanted.is_foreign(&led));
        for route in routes.iter().filter(is_foreign) {
            self.delete_found_route(route).await?;
        }
        Ok(())
    }

    async fn read(&self, listed: &[Link], routes: &[PresentRoute]) -> Result<Wiring, LinkError> {
        let names = names_of(listed);
        let mut wiring = Wiring::default();
        for present in self.addresses().await?.into_iter().filter(|present| !is_the_kernels(present.address))
        {
            let name = names.get(&present.link).map(|name| (*name).to_owned());
            if let (Some(link), Ok(net)) = (name, IpNet::new(present.address, present.prefix)) {
                wiring.addresses.insert((link, net));
            }
        }
        wiring.routes = routes.iter().filter_map(|route| led(route, &names)).collect();
        wiring.links = listed.iter().map(|link| (link.name.clone(), shape(link))).collect();
        Ok(wiring)
    }
}

fn names_of(listed: &[Link]) -> BTreeMap<u32, &str> {
    listed.iter().map(|link| (link.index, link.name.as_str())).collect()
}

fn shape(link: &Link) -> LinkShape {
    let end = PairEnd { mtu: link.mtu, group: link.group };
    LinkShape { up: link.up, end: link.is_plain_pair().then_some(end) }
}

/// Reads where a route leads; `None` for those that no program made in the main table.
fn led(route: &PresentRoute, names: &BTreeMap<u32, &str>) -> Option<LedRoute> {
    let name = || route.link.and_then(|index| names.get(&index)).map(|name| (*name).to_owned());
    let leads = match (route.odd, route.unreachable, route.gateway) {
        (true, ..) => Leads::Otherwise,
        (false, true, _) => Leads::Nowhere,
        (false, false, Some(gateway)) => {
            name().map_or(Leads::Otherwise, |link| Leads::Through(gateway, link))
        }
        (false, false, None) => name().map_or(Leads::Otherwise, Leads::To),
    };
    let net = IpNet::new(route.destination, route.prefix).ok().filter(|_| route.made)?;
    Some(LedRoute { net, metric: route.metric, leads })
}
