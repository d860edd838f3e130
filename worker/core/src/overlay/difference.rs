//! What of a sandbox is missing, or other than it should be, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::mac::Mac;
use super::names::TUNNEL;
use super::state::{ContainerLink, Kernel};

/// One thing that is not as it should be. What hangs on a link that is missing or switched off is not told besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing(Part),
    /// It is there, but not as it should be.
    Changed(Part),
    /// It should not be there.
    Foreign(Part),
    /// The link of this name is switched off.
    Down(String),
}

/// A part of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The VXLAN device.
    Tunnel,
    /// The link to a container.
    Link(String, ContainerLink),
    /// An address of a link.
    Address(String, IpNet),
    /// The permanent neighbour entry of another node's router.
    Neighbour(IpAddr),
    /// Where the tunnel sends what is for a hardware address.
    Forwarding(Mac),
    /// A route.
    Route(IpNet),
    /// The route of answers to clients of other nodes.
    Answers(IpAddr),
    /// The error for addresses nobody has.
    Unreachable(IpNet),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel => write!(f, "the tunnel {TUNNEL}"),
            Self::Link(name, link) => write!(f, "the link {name} to the container of task {}", link.task),
            Self::Address(link, address) => write!(f, "the address {address} of {link}"),
            Self::Neighbour(router) => write!(f, "the neighbour entry of {router}"),
            Self::Forwarding(mac) => write!(f, "the forwarding entry of {mac}"),
            Self::Route(net) => write!(f, "the route to {net}"),
            Self::Answers(router) => write!(f, "the route for answers through {router}"),
            Self::Unreachable(net) => write!(f, "the refusal of unused addresses in {net}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(part) => write!(f, "{part} is missing"),
            Self::Changed(part) => write!(f, "{part} is not as it was made"),
            Self::Foreign(part) => write!(f, "{part} should not be there"),
            Self::Down(link) => write!(f, "the link {link} is switched off"),
        }
    }
}

/// Compares what a sandbox holds with what it should hold.
pub fn differences(found: &Kernel, wanted: &Kernel) -> Vec<Difference> {
    let (mut found, mut wanted) = (found.clone(), wanted.clone());
    let mut told = of_links(&mut found, &mut wanted);
    let address = |(link, address): &(String, IpNet)| Part::Address(link.clone(), *address);
    compare_sets(&found.addresses, &wanted.addresses, address, &mut told);
    compare(&found.neighbours, &wanted.neighbours, Part::Neighbour, &mut told);
    compare(&found.forwarding, &wanted.forwarding, Part::Forwarding, &mut told);
    compare(&found.routes, &wanted.routes, Part::Route, &mut told);
    compare_sets(&found.answers, &wanted.answers, |router| Part::Answers(*router), &mut told);
    compare_sets(&found.unreachable, &wanted.unreachable, |net| Part::Unreachable(*net), &mut told);
    told
}

/// Compares the links, and takes out what hangs on those that are missing or switched off.
fn of_links(found: &mut Kernel, wanted: &mut Kernel) -> Vec<Difference> {
    let mut told = Vec::new();
    match (found.tunnel, wanted.tunnel) {
        (None, Some(_)) => {
            wanted.drop_tunnel();
            told.push(Difference::Missing(Part::Tunnel));
        }
        (Some(is), Some(should)) if is != should => told.push(Difference::Changed(Part::Tunnel)),
        (Some(_), None) => told.push(Difference::Foreign(Part::Tunnel)),
        _ => {}
    }
    for (name, link) in wanted.links.clone() {
        match found.links.get(&name) {
            None => {
                wanted.drop_link(&name);
                told.push(Difference::Missing(Part::Link(name, link)));
            }
            Some(is) if *is != link => told.push(Difference::Changed(Part::Link(name, link))),
            Some(_) => {}
        }
    }
    for (name, link) in found.links.iter().filter(|(name, _)| !wanted.links.contains_key(*name)) {
        told.push(Difference::Foreign(Part::Link(name.clone(), *link)));
    }
    for name in found.down.clone() {
        for kernel in [&mut *found, &mut *wanted] {
            match name.as_str() {
                TUNNEL => kernel.drop_tunnel(),
                name => kernel.drop_dependents(name),
            }
        }
        told.push(Difference::Down(name));
    }
    told
}

fn compare<K: Ord + Copy, V: PartialEq>(
    found: &BTreeMap<K, V>,
    wanted: &BTreeMap<K, V>,
    part: impl Fn(K) -> Part,
    told: &mut Vec<Difference>,
) {
    for (key, should) in wanted {
        match found.get(key) {
            None => told.push(Difference::Missing(part(*key))),
            Some(is) if is != should => told.push(Difference::Changed(part(*key))),
            Some(_) => {}
        }
    }
    let foreign = found.keys().filter(|key| !wanted.contains_key(*key));
    told.extend(foreign.map(|key| Difference::Foreign(part(*key))));
}

fn compare_sets<T: Ord>(
    found: &BTreeSet<T>,
    wanted: &BTreeSet<T>,
    part: impl Fn(&T) -> Part,
    told: &mut Vec<Difference>,
) {
    told.extend(wanted.difference(found).map(|held| Difference::Missing(part(held))));
    told.extend(found.difference(wanted).map(|held| Difference::Foreign(part(held))));
}

#[cfg(test)]
mod tests {
    use super::super::sample::{containers, desired, info, peer};
    use super::*;
    use proto::model::NetworkTable;

    fn kernel() -> Kernel {
        let mut table = NetworkTable::new(info(true));
        for held in [peer(1, &[1], &[]), peer(2, &[2], &[])] {
            table.peers.insert_mut(held.node, held);
        }
        desired(&table, &containers(&[18, 19])).kernel
    }

    fn words(found: &Kernel) -> Vec<String> {
        differences(found, &kernel()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_as_it_should_be_makes_no_difference() {
        assert_eq!(words(&kernel()), [""; 0]);
    }

    #[test]
    fn what_is_missing_changed_or_foreign_is_named() {
        let mut found = kernel();
        found.routes.remove(&"10.0.1.32/28".parse::<IpNet>().unwrap());
        found.neighbours.insert("10.0.1.3".parse().unwrap(), Mac([2, 0, 0, 0, 0, 1]));
        found.addresses.insert(("lo".to_owned(), "10.9.9.9/32".parse().unwrap()));
        let expected = [
            "the address 10.9.9.9/32 of lo should not be there",
            "the neighbour entry of 10.0.1.3 is not as it was made",
            "the route to 10.0.1.32/28 is missing",
        ];
        assert_eq!(words(&found), expected);
    }

    #[test]
    fn a_lost_link_is_told_without_what_hung_on_it() {
        let mut found = kernel();
        found.drop_tunnel();
        let name = found.links.keys().next().unwrap().clone();
        found.drop_link(&name);
        let told = words(&found);
        assert_eq!((told.len(), told[0].as_str()), (2, "the tunnel vx0 is missing"));
        assert!(told[1].starts_with(&format!("the link {name} to the container of task ")), "{told:?}");
    }

    #[test]
    fn a_link_that_is_switched_off_is_told_without_what_went_with_it() {
        let mut found = kernel();
        found.drop_dependents(TUNNEL);
        found.down.insert(TUNNEL.to_owned());
        assert_eq!(words(&found), ["the link vx0 is switched off"]);
    }
}
