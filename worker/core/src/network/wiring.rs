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

/// The metric of an IPv6 route that is made without one (the kernel's `IP6_RT_PRIO_USER`).
const METRIC_IPV6: u32 = 1024;

/// The loopback, which carries the sandbox's own addresses.
const LOOPBACK: &str = "lo";

/// A part of what one namespace holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Links by name.
    pub links: BTreeMap<String, LinkShape>,
    /// Addresses of links, each with its prefix length.
    pub addresses: BTreeSet<(String, IpNet)>,
    /// Where routes of the main table lead, without those that the kernel makes by itself.
    pub routes: BTreeSet<LedRoute>,
}

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkShape {
    /// Whether it is switched on.
    pub up: bool,
    /// What it is as one end of a pair; `None` if it is anything else, or bent: part of a bridge or the like, or kept from
    /// asking for neighbours.
    pub end: Option<PairEnd>,
}

/// One end of a pair of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairEnd {
    /// The largest packet it takes, in bytes.
    pub mtu: u32,
    /// The group it is in.
    pub group: u32,
}

/// A route of the main table. Of two to the same destination the one of the smaller metric is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedRoute {
    /// The destination.
    pub net: IpNet,
    /// The metric.
    pub metric: u32,
    /// Where it leads.
    pub leads: Leads,
}

impl LedRoute {
    /// Returns a route with the usual metric.
    pub fn new(net: IpNet, leads: Leads) -> Self {
        Self { net, metric: usual_metric(net), leads }
    }
}

/// Returns the metric that the kernel gives a route that comes without.
pub fn usual_metric(net: IpNet) -> u32 {
    if net.addr().is_ipv4() { 0 } else { METRIC_IPV6 }
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leads {
    /// To a link.
    To(String),
    /// Through a gateway on a link.
    Through(IpAddr, String),
    /// Nowhere, with an answer saying so.
    Nowhere,
    /// In a way that no route of ours does.
    Otherwise,
}

impl Leads {
    fn hangs_on(&self, name: &str) -> bool {
        match self {
            Self::To(link) | Self::Through(_, link) => link == name,
            Self::Nowhere | Self::Otherwise => false,
        }
    }
}

impl Wiring {
    /// Returns what the host has of an uplink whose end there has this name.
    pub fn of_host(uplink: &str, end: PairEnd, addresses: &UplinkAddresses, ipv6: bool) -> Self {
        let mut wiring = Self::default();
        wiring.link(uplink, end);
        wiring.address(uplink, addresses.host_ipv4().into(), PREFIX_IPV4);
        wiring.route(addresses.network_ipv4().into(), PREFIX_IPV4, Leads::To(uplink.to_owned()));
        if ipv6 {
            wiring.address(uplink, addresses.host_ipv6().into(), PREFIX_IPV6);
            wiring.route(addresses.network_ipv6().into(), PREFIX_IPV6, Leads::To(uplink.to_owned()));
        }
        wiring
    }

    /// Returns what a sandbox has of its uplink, whose packets have this many bytes at most.
    pub fn of_uplink(mtu: u32, addresses: &UplinkAddresses, ipv6: bool) -> Self {
        let mut wiring = Self::default();
        let through = |gateway| Leads::Through(gateway, SANDBOX_UPLINK.to_owned());
        wiring.link(SANDBOX_UPLINK, PairEnd { mtu, group: 0 });
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

    /// Returns what the sandbox of the node's own network has besides, with these containers, whose packets have this many
    /// bytes at most.
    pub fn of_sandbox<'a>(
        mtu: u32,
        subnets: &Subnets,
        containers: impl Iterator<Item = &'a Attachment>,
    ) -> Self {
        let mut wiring = Self::default();
        wiring.links.insert(LOOPBACK.to_owned(), LinkShape { up: true, end: None });
        let (ipv4, ipv6) = (subnets.ipv4, subnets.ipv6);
        let routers =
            [IpAddr::V4(subnets.gateway_ipv4())].into_iter().chain(subnets.router_ipv6().map(IpAddr::V6));
        routers.for_each(|router| wiring.address(LOOPBACK, router, IpNet::from(router).prefix_len()));
        wiring.route(ipv4.network().into(), ipv4.prefix(), Leads::Nowhere);
        if let Some(subnet) = ipv6 {
            wiring.route(subnet.network().into(), subnet.prefix(), Leads::Nowhere);
        }
        containers.for_each(|attachment| wiring.container(attachment, mtu));
        wiring
    }

    fn container(&mut self, attachment: &Attachment, mtu: u32) {
        // One without addresses has no link; a task's id was checked when it was attached.
        let Some(short) = TaskShort::of(&attachment.task).ok().filter(|_| !attachment.addresses.is_empty())
        else {
            return;
        };
        let name = short.link();
        self.link(&name, PairEnd { mtu, group: attachment.access.link_group() });
        for held in &attachment.addresses {
            if held.address.is_ipv6() {
                self.address(&name, GATEWAY_IPV6.into(), GATEWAY_IPV6_PREFIX);
            }
            self.routes.insert(LedRoute::new(held.address.into(), Leads::To(name.clone())));
        }
    }

    /// Takes in another part of the same namespace.
    pub fn with(mut self, other: Self) -> Self {
        self.links.extend(other.links);
        self.addresses.extend(other.addresses);
        self.routes.extend(other.routes);
        self
    }

    /// Says what of this another wiring lacks; what hangs on a link that is no use is not told besides.
    pub fn missing_in(&self, found: &Self) -> Vec<String> {
        let mut told = Vec::new();
        let mut lost = BTreeSet::new();
        for (name, wanted) in &self.links {
            let (said, is_lost) = wanted.differences(name, found.links.get(name));
            told.extend(said);
            lost.extend(is_lost.then_some(name.as_str()));
        }
        let is_lost = |link: &str| lost.contains(link);
        for (link, address) in self.addresses.difference(&found.addresses).filter(|(link, _)| !is_lost(link))
        {
            told.push(format!("the address {address} of {link} is missing"));
        }
        for route in self.routes.difference(&found.routes) {
            let LedRoute { net, metric, leads } = route;
            if lost.iter().any(|link| leads.hangs_on(link)) {
                continue;
            }
            let is_there = found.routes.iter().any(|other| (other.net, other.metric) == (*net, *metric));
            let what = if is_there { "leads elsewhere" } else { "is missing" };
            told.push(format!("the route to {net} {what}"));
        }
        told
    }

    /// Says which routes and addresses of its links another wiring has that are none of this one's. Routes in the place of
    /// one of this one's are told by [`Wiring::missing_in`].
    pub fn foreign_in(&self, found: &Self) -> Vec<String> {
        let foreign = found.routes.iter().filter(|route| self.is_foreign(route));
        let is_instead = |route: &LedRoute| {
            let is_same = |ours: &&LedRoute| (ours.net, ours.metric) == (route.net, route.metric);
            self.routes.iter().find(is_same).is_some_and(|ours| !found.routes.contains(ours))
        };
        let routes = foreign.filter(|route| !is_instead(route));
        let routes = routes
            .map(|route| format!("a route to {} of metric {} should not be there", route.net, route.metric));
        let addresses = self.foreign_addresses(found);
        let addresses =
            addresses.map(|(link, address)| format!("the address {address} of {link} should not be there"));
        addresses.chain(routes).collect()
    }

    /// Returns the addresses that links of this have in another wiring and not here.
    pub fn foreign_addresses<'a>(&'a self, found: &'a Self) -> impl Iterator<Item = &'a (String, IpNet)> {
        found.addresses.difference(&self.addresses).filter(|(link, _)| self.links.contains_key(link))
    }

    /// Tells whether a route is none of this.
    pub fn is_foreign(&self, route: &LedRoute) -> bool {
        !self.routes.contains(route)
    }

    fn link(&mut self, name: &str, end: PairEnd) {
        self.links.insert(name.to_owned(), LinkShape { up: true, end: Some(end) });
    }

    fn address(&mut self, link: &str, address: IpAddr, prefix: u8) {
        let net = IpNet::new(address, prefix).expect("invariant: prefix lengths are those of the family");
        self.addresses.insert((link.to_owned(), net));
    }

    fn route(&mut self, destination: IpAddr, prefix: u8, leads: Leads) {
        let net = IpNet::new(destination, prefix).expect("invariant: prefix lengths are those of the family");
        self.routes.insert(LedRoute::new(net, leads));
    }
}

impl LinkShape {
    /// Says how a link is other than this one, and tells whether it is no use as it is.
    fn differences(&self, name: &str, found: Option<&Self>) -> (Vec<String>, bool) {
        let Some(found) = found else { return (vec![format!("the link {name} is missing")], true) };
        let mut told = Vec::new();
        if let Some(wanted) = self.end {
            let Some(end) = found.end else {
                return (vec![format!("the link {name} is no plain end of a pair")], true);
            };
            if end.mtu != wanted.mtu {
                told.push(format!(
                    "the link {name} has an MTU of {} bytes instead of {}",
                    end.mtu, wanted.mtu
                ));
            }
            if end.group != wanted.group {
                told.push(format!(
                    "the link {name} is in the group {} instead of {}",
                    end.group, wanted.group
                ));
            }
        }
        if !found.up {
            told.push(format!("the link {name} is switched off"));
        }
        (told, !found.up)
    }
}

#[cfg(test)]
#[path = "wiring_tests.rs"]
mod tests;
