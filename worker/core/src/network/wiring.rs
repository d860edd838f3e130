//! What the node's own links, addresses and routes are to be, told from what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::addressing::{GATEWAY_IPV6, Subnets};
use super::attachment::Attachment;
use super::names::{SANDBOX_UPLINK, TaskShort};
use super::uplink::{PREFIX_IPV4, PREFIX_IPV6, UplinkAddresses};

/// The prefix length of the gateway's link-local address.
const GATEWAY_IPV6_PREFIX: u8 = 64;

/// The loopback, which carries the sandbox's own addresses.
const LOOPBACK: &str = "lo";

/// A part of what one namespace holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Links, and whether they are switched on.
    pub links: BTreeMap<String, bool>,
    /// Addresses of links, each with its prefix length.
    pub addresses: BTreeSet<(String, IpNet)>,
    /// Where routes lead.
    pub routes: BTreeMap<IpNet, Leads>,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// To a link.
    To(String),
    /// Through a gateway on a link.
    Through(IpAddr, String),
    /// Nowhere, with an answer saying so.
    Nowhere,
}

impl Leads {
    fn hangs_on(&self, name: &str) -> bool {
        match self {
            Self::To(link) | Self::Through(_, link) => link == name,
            Self::Nowhere => false,
        }
    }
}

impl Wiring {
    /// Returns what the host has of an uplink whose end there has this name.
    pub fn of_host(uplink: &str, addresses: &UplinkAddresses, ipv6: bool) -> Self {
        let mut wiring = Self::default();
        wiring.link(uplink);
        wiring.address(uplink, addresses.host_ipv4().into(), PREFIX_IPV4);
        wiring.route(addresses.network_ipv4().into(), PREFIX_IPV4, Leads::To(uplink.to_owned()));
        if ipv6 {
            wiring.address(uplink, addresses.host_ipv6().into(), PREFIX_IPV6);
            wiring.route(addresses.network_ipv6().into(), PREFIX_IPV6, Leads::To(uplink.to_owned()));
        }
        wiring
    }

    /// Returns what a sandbox has of its uplink.
    pub fn of_uplink(addresses: &UplinkAddresses, ipv6: bool) -> Self {
        let mut wiring = Self::default();
        let through = |gateway| Leads::Through(gateway, SANDBOX_UPLINK.to_owned());
        wiring.link(SANDBOX_UPLINK);
        wiring.address(SANDBOX_UPLINK, addresses.sandbox_ipv4().into(), PREFIX_IPV4);
        let host = IpAddr::V4(addresses.host_ipv4());
        wiring.route(IpAddr::from([0; 4]), 0, through(host));
        if ipv6 {
            wiring.address(SANDBOX_UPLINK, addresses.sandbox_ipv6().into(), PREFIX_IPV6);
            let host = IpAddr::V6(addresses.host_ipv6());
            wiring.route(IpAddr::from([0; 16]), 0, through(host));
        }
        wiring
    }

    /// Returns what the sandbox of the node's own network has besides, with these containers.
    pub fn of_sandbox<'a>(subnets: &Subnets, containers: impl Iterator<Item = &'a Attachment>) -> Self {
        let mut wiring = Self::default();
        wiring.link(LOOPBACK);
        let (ipv4, ipv6) = (subnets.ipv4, subnets.ipv6);
        let routers =
            [IpAddr::V4(subnets.gateway_ipv4())].into_iter().chain(subnets.router_ipv6().map(IpAddr::V6));
        routers.for_each(|router| wiring.address(LOOPBACK, router, IpNet::from(router).prefix_len()));
        wiring.route(ipv4.network().into(), ipv4.prefix(), Leads::Nowhere);
        if let Some(subnet) = ipv6 {
            wiring.route(subnet.network().into(), subnet.prefix(), Leads::Nowhere);
        }
        containers.for_each(|attachment| wiring.container(attachment));
        wiring
    }

    fn container(&mut self, attachment: &Attachment) {
        // One without addresses has no link; a task's id was checked when it was attached.
        let Some(short) = TaskShort::of(&attachment.task).ok().filter(|_| !attachment.addresses.is_empty())
        else {
            return;
        };
        let name = short.link();
        self.link(&name);
        for held in &attachment.addresses {
            if held.address.is_ipv6() {
                self.address(&name, GATEWAY_IPV6.into(), GATEWAY_IPV6_PREFIX);
            }
            self.routes.insert(held.address.into(), Leads::To(name.clone()));
        }
    }

    /// Takes in another part of the same namespace.
    pub fn with(mut self, other: Self) -> Self {
        self.links.extend(other.links);
        self.addresses.extend(other.addresses);
        self.routes.extend(other.routes);
        self
    }

    /// Says what of this another wiring lacks; what hangs on a missing link is not told besides.
    pub fn missing_in(&self, found: &Self) -> Vec<String> {
        let mut told = Vec::new();
        let mut lost = BTreeSet::new();
        for name in self.links.keys() {
            match found.links.get(name) {
                Some(true) => continue,
                Some(false) => told.push(format!("the link {name} is switched off")),
                None => told.push(format!("the link {name} is missing")),
            }
            lost.insert(name.as_str());
        }
        let is_lost = |link: &str| lost.contains(link);
        for (link, address) in self.addresses.difference(&found.addresses).filter(|(link, _)| !is_lost(link))
        {
            told.push(format!("the address {address} of {link} is missing"));
        }
        for (net, leads) in &self.routes {
            if lost.iter().any(|link| leads.hangs_on(link)) {
                continue;
            }
            match found.routes.get(net) {
                None => told.push(format!("the route to {net} is missing")),
                Some(other) if other != leads => told.push(format!("the route to {net} leads elsewhere")),
                Some(_) => {}
            }
        }
        told
    }

    fn link(&mut self, name: &str) {
        self.links.insert(name.to_owned(), true);
    }

    fn address(&mut self, link: &str, address: IpAddr, prefix: u8) {
        let net = IpNet::new(address, prefix).expect("invariant: prefix lengths are those of the family");
        self.addresses.insert((link.to_owned(), net));
    }

    fn route(&mut self, destination: IpAddr, prefix: u8, leads: Leads) {
        let net = IpNet::new(destination, prefix).expect("invariant: prefix lengths are those of the family");
        self.routes.insert(net, leads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Access, Ipv4Subnet, Ipv6Subnet, NodeShort};

    fn wiring() -> Wiring {
        let node = NodeShort::of("node1").unwrap();
        let addresses = UplinkAddresses::candidates(&node).next().unwrap();
        let subnets = Subnets { ipv4: Ipv4Subnet::default(), ipv6: Some(Ipv6Subnet::default()) };
        let attachment = |task: &str, addresses| Attachment {
            task: task.to_owned(),
            netns: format!("/run/{task}").into(),
            addresses,
            access: Access::SIBLINGS,
            has_other_way_out: false,
        };
        let (web, bare) = (attachment("web", subnets.addresses(2)), attachment("job", vec![]));
        let sandbox = Wiring::of_sandbox(&subnets, [web, bare].iter());
        sandbox.with(Wiring::of_uplink(&addresses, true))
    }

    #[test]
    fn a_wiring_lacks_nothing_of_itself_and_more_may_be_there() {
        let mut found = wiring();
        found.links.insert("foreign0".to_owned(), false);
        assert_eq!(wiring().missing_in(&found), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_said_and_what_hangs_on_a_missing_link_is_not() {
        let mut found = wiring();
        found.links.remove("cweb");
        found.addresses.retain(|(link, _)| link != "cweb");
        found.routes.retain(|_, leads| !leads.hangs_on("cweb"));
        found.links.insert("up0".to_owned(), false);
        found.routes.insert("172.30.0.0/16".parse().unwrap(), Leads::To("up0".to_owned()));
        let expected = [
            "the link cweb is missing",
            "the link up0 is switched off",
            "the route to 172.30.0.0/16 leads elsewhere",
        ];
        assert_eq!(wiring().missing_in(&found), expected);
    }
}
