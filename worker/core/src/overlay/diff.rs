//! The steps from what a sandbox holds to what it should hold.
//!
//! ```text
//!   1  what has to be made anew goes first, and takes along what hangs on it
//!   2  links, addresses, where the tunnel sends, neighbours, routes come
//!   3  the rules change: from here on new connections go to the new backends, whose ways are there
//!   4  connections to backends that are none any more are forgotten
//!   5  routes, neighbours and links go that nothing leads to any more
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::elements::ElementChange;
use super::mac::Mac;
use super::mesh;
use super::names::{LOOPBACK, TUNNEL};
use super::rules::{Rules, RulesChange};
use super::state::{ContainerLink, Desired, Kernel, Tunnel, Way};
use crate::network::Sought;

/// One change of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Delete the tunnel, and all that hangs on it.
    RemoveTunnel,
    /// Make the tunnel.
    AddTunnel(Tunnel),
    /// Change the tunnel's MTU, in bytes.
    SetTunnelMtu(u32),
    /// Delete a container's link, and all that hangs on it.
    RemoveLink(String),
    /// Make a container's link.
    AddLink(String, ContainerLink),
    /// Change the MTU of both ends of a container's link.
    SetLinkMtu(String, ContainerLink),
    /// Switch a link on.
    Raise(String),
    /// Put an address on a link.
    AddAddress(String, IpNet),
    /// Take an address from a link.
    RemoveAddress(String, IpNet),
    /// Send what is for a hardware address to a node, instead of where it went before.
    PutForwarding(Mac, IpAddr),
    /// Send nothing to a hardware address any more.
    RemoveForwarding(Mac),
    /// Name the hardware address of another node's router, instead of the one before.
    PutNeighbour(IpAddr, Mac),
    /// Forget another node's router.
    RemoveNeighbour(IpAddr),
    /// Lead a route this way, instead of where it led before.
    PutRoute(IpNet, Way),
    /// Delete a route.
    RemoveRoute(IpNet, Way),
    /// Send answers to clients of other nodes this way.
    AddAnswers(IpAddr),
    /// Do so no more.
    RemoveAnswers(IpAddr),
    /// Answer with an error where no other route leads.
    AddUnreachable(IpNet),
    /// Do so no more.
    RemoveUnreachable(IpNet),
    /// Load this nft script, as one transaction.
    Load(String),
    /// Change elements of the nft table, as one transaction.
    Change(ElementChange),
    /// Forget the connections whose backend is none any more; they are among these.
    ForgetStaleFlows(BTreeSet<Sought>),
}

/// Decides the steps; without `rules` it is not known which table the sandbox has, and the whole of it is loaded.
pub fn diff(kernel: &Kernel, rules: Option<&Rules>, desired: &Desired) -> Vec<Step> {
    let to = &desired.kernel;
    let mut from = kernel.clone();
    let mut steps = made_anew(&mut from, to);
    // The rules of the ingress network hang on the tunnel.
    let rules = rules.filter(|_| from.tunnel.is_some() || desired.rules.mesh.is_none());
    from.down.retain(|name| is_wanted(name, to));
    steps.extend(links_to_add(&from, to));
    steps.extend(entries_to_add(&from, to));
    match rules {
        None => {
            let all = Step::ForgetStaleFlows([Sought::Any].into());
            steps.extend([Step::Load(desired.rules.script()), all]);
        }
        Some(rules) => {
            steps.extend(rules.change(&desired.rules).map(|change| match change {
                RulesChange::Whole(script) => Step::Load(script),
                RulesChange::Elements(change) => Step::Change(change),
            }));
            let stale = stale_flows(rules, &desired.rules);
            steps.extend((!stale.is_empty()).then_some(Step::ForgetStaleFlows(stale)));
        }
    }
    let gone: Vec<String> = from.links.keys().filter(|name| !to.links.contains_key(*name)).cloned().collect();
    gone.iter().for_each(|name| from.drop_link(name));
    steps.extend(entries_to_remove(&from, to));
    steps.extend(gone.into_iter().map(Step::RemoveLink));
    steps
}

/// Takes out of `from` the links that cannot be changed into what they should be, with all that hangs on them.
fn made_anew(from: &mut Kernel, to: &Kernel) -> Vec<Step> {
    let mut steps = Vec::new();
    let tunnel_stays = match (&from.tunnel, &to.tunnel) {
        (Some(is), Some(should)) => is.differs_in_mtu_at_most(should),
        (Some(_), None) => false,
        (None, _) => true,
    };
    if !tunnel_stays {
        from.drop_tunnel();
        steps.push(Step::RemoveTunnel);
    }
    let replaced = |(name, link): &(&String, &ContainerLink)| {
        to.links.get(*name).is_some_and(|should| !link.differs_in_mtu_at_most(should))
    };
    let names: Vec<String> = from.links.iter().filter(replaced).map(|(name, _)| name.clone()).collect();
    for name in names {
        from.drop_link(&name);
        steps.push(Step::RemoveLink(name));
    }
    steps
}

/// Tells whether a link is to be there; the loopback always is.
fn is_wanted(name: &str, to: &Kernel) -> bool {
    match name {
        LOOPBACK => true,
        TUNNEL => to.tunnel.is_some(),
        container => to.links.contains_key(container),
    }
}

fn links_to_add(from: &Kernel, to: &Kernel) -> Vec<Step> {
    let mut steps = Vec::new();
    match (&from.tunnel, &to.tunnel) {
        (None, Some(tunnel)) => steps.push(Step::AddTunnel(*tunnel)),
        (Some(is), Some(should)) if is.mtu != should.mtu => steps.push(Step::SetTunnelMtu(should.mtu)),
        _ => {}
    }
    for (name, link) in &to.links {
        match from.links.get(name) {
            None => steps.push(Step::AddLink(name.clone(), *link)),
            Some(is) if is.mtu != link.mtu => steps.push(Step::SetLinkMtu(name.clone(), *link)),
            Some(_) => {}
        }
    }
    steps.extend(from.down.iter().cloned().map(Step::Raise));
    steps
}

fn entries_to_add(from: &Kernel, to: &Kernel) -> Vec<Step> {
    let addresses = to.addresses.difference(&from.addresses);
    let forwarding = to.forwarding.iter().filter(|(mac, at)| from.forwarding.get(*mac) != Some(at));
    let neighbours = to.neighbours.iter().filter(|(router, mac)| from.neighbours.get(*router) != Some(mac));
    let routes = to.routes.iter().filter(|(net, way)| from.routes.get(*net) != Some(way));
    // A pool's answer comes before its routes: there is no moment without either.
    addresses
        .map(|(link, address)| Step::AddAddress(link.clone(), *address))
        .chain(to.unreachable.difference(&from.unreachable).map(|net| Step::AddUnreachable(*net)))
        .chain(forwarding.map(|(mac, at)| Step::PutForwarding(*mac, *at)))
        .chain(neighbours.map(|(router, mac)| Step::PutNeighbour(*router, *mac)))
        .chain(routes.map(|(net, way)| Step::PutRoute(*net, way.clone())))
        .chain(to.answers.difference(&from.answers).map(|router| Step::AddAnswers(*router)))
        .collect()
}

fn entries_to_remove(from: &Kernel, to: &Kernel) -> Vec<Step> {
    let routes = from.routes.iter().filter(|(net, _)| !to.routes.contains_key(*net));
    let neighbours = from.neighbours.keys().filter(|router| !to.neighbours.contains_key(*router));
    let forwarding = from.forwarding.keys().filter(|mac| !to.forwarding.contains_key(*mac));
    let addresses = from.addresses.difference(&to.addresses);
    routes
        .map(|(net, way)| Step::RemoveRoute(*net, way.clone()))
        .chain(from.answers.difference(&to.answers).map(|router| Step::RemoveAnswers(*router)))
        .chain(neighbours.map(|router| Step::RemoveNeighbour(*router)))
        .chain(forwarding.map(|mac| Step::RemoveForwarding(*mac)))
        .chain(from.unreachable.difference(&to.unreachable).map(|net| Step::RemoveUnreachable(*net)))
        .chain(addresses.map(|(link, address)| Step::RemoveAddress(link.clone(), *address)))
        .collect()
}

/// Where connections are that go where they would not go any more.
fn stale_flows(from: &Rules, to: &Rules) -> BTreeSet<Sought> {
    let lost = from.services.iter().flat_map(|(vip, backends)| {
        let is_lost = |backend: &&IpAddr| !to.balances(*vip, **backend) && !to.draining.contains(*backend);
        backends.iter().filter(is_lost)
    });
    // One that serves again is as good as one that drains: a task never does, but tables may skip states.
    let serves = |address: &IpAddr| to.services.values().any(|backends| backends.contains(address));
    let has_drained = |address: &&IpAddr| !to.draining.contains(*address) && !serves(address);
    let drained = from.draining.iter().filter(has_drained);
    let gone = lost.chain(drained).map(|address| Sought::AnsweredBy(*address));
    gone.chain(mesh::stale_flows(from.mesh.as_ref(), to.mesh.as_ref(), &to.draining)).collect()
}
