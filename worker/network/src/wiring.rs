//! Reads the links, addresses and routes of a namespace as the node's own network knows them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use worker_core::network::{Leads, Wiring};

use crate::link_error::LinkError;
use crate::links::Links;

impl Links {
    /// Reads what is there, of everybody.
    pub(crate) async fn wiring(&self) -> Result<Wiring, LinkError> {
        let listed = self.list().await?;
        let names: BTreeMap<u32, &str> = listed.iter().map(|link| (link.index, link.name.as_str())).collect();
        let name = |index: u32| names.get(&index).map(|name| (*name).to_owned());
        let mut wiring = Wiring::default();
        for present in self.addresses().await? {
            if let (Some(link), Ok(net)) = (name(present.link), IpNet::new(present.address, present.prefix)) {
                wiring.addresses.insert((link, net));
            }
        }
        for route in self.routes().await?.into_iter().filter(|route| route.made) {
            let leads = match (route.unreachable, route.gateway, route.link.and_then(name)) {
                (true, ..) => Leads::Nowhere,
                (false, Some(gateway), Some(link)) => Leads::Through(gateway, link),
                (false, None, Some(link)) => Leads::To(link),
                (false, _, None) => continue,
            };
            if let Ok(net) = IpNet::new(route.destination, route.prefix) {
                wiring.routes.insert(net, leads);
            }
        }
        wiring.links = listed.into_iter().map(|link| (link.name, link.up)).collect();
        Ok(wiring)
    }
}
