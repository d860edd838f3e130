//! What a sandbox holds, read back from the kernel.

use std::collections::BTreeMap;

use ipnet::IpNet;
use proto::model::TaskId;
use worker_core::network::{TaskShort, usual_metric};
use worker_core::overlay::mesh::ANSWERS_TABLE;
use worker_core::overlay::names::{LOOPBACK, TUNNEL, UPLINK, parse_alias};
use worker_core::overlay::{Container, ContainerLink, Kernel, Way};

use crate::link_error::LinkError;
use crate::links::{Link, Links};
use crate::overlay::tunnel;
use crate::present::{PresentRoute, is_the_kernels};

/// What was found in a sandbox.
#[derive(Debug)]
pub(crate) struct Observed {
    /// What is as we make it.
    pub(crate) kernel: Kernel,
    /// Links that are not as we make them: half-made ones of ours, or what somebody put there.
    pub(crate) strangers: Vec<String>,
    /// Routes that are not as we make them, whoever made them.
    pub(crate) foreign: Vec<PresentRoute>,
}

/// Reads what a sandbox holds. Links of other names, such as the kernel's `sit0` or somebody's own, are passed over with
/// their addresses.
pub(crate) async fn observe(links: &Links) -> Result<Observed, LinkError> {
    let known: BTreeMap<u32, Link> = links.list().await?.into_iter().map(|link| (link.index, link)).collect();
    let (mut kernel, strangers) = links_of(known.values());
    // The link to the host is the uplink's own business.
    let of_network =
        |link: &&Link| [LOOPBACK, TUNNEL].contains(&link.name.as_str()) || is_container_link(&link.name);
    let name = |index: u32| known.get(&index).filter(of_network).map(|link| link.name.clone());
    if let Some(link) = known.values().find(|link| link.name == TUNNEL) {
        let neighbours = links.neighbours(link).await?;
        kernel.neighbours = neighbours.into_iter().map(|entry| (entry.address, entry.mac)).collect();
        let forwarding = links.forwarding(link).await?;
        kernel.forwarding = forwarding.into_iter().map(|entry| (entry.mac, entry.address)).collect();
    }
    for present in links.addresses().await?.into_iter().filter(|present| !is_the_kernels(present.address)) {
        if let (Some(link), Ok(net)) = (name(present.link), IpNet::new(present.address, present.prefix)) {
            kernel.addresses.insert((link, net));
        }
    }
    let routes = links.routes().await?;
    let answers = routes.iter().filter(|route| route.table == ANSWERS_TABLE && route.prefix == 0);
    kernel.answers = answers.filter_map(|route| route.gateway).collect();
    let uplink = known.values().find(|link| link.name == UPLINK).map(|link| link.index);
    let mut foreign = Vec::new();
    for route in routes.into_iter().filter(|route| route.made) {
        let Ok(net) = IpNet::new(route.destination, route.prefix) else { continue };
        let is_usual = route.metric == usual_metric(net) && !route.odd && !route.unreachable;
        if route.unreachable && route.is_last_resort() {
            kernel.unreachable.insert(net);
        } else if is_usual && uplink.is_some() && route.link == uplink && route.prefix == 0 {
            // As is the link itself.
        } else if let Some(way) =
            way_of(&route, name).filter(|_| is_usual && !kernel.routes.contains_key(&net))
        {
            kernel.routes.insert(net, way);
        } else {
            foreign.push(route);
        }
    }
    let down = known.values().filter(of_network).filter(|link| !link.up);
    kernel.down = down.map(|link| link.name.clone()).collect();
    // What hangs on them goes with them.
    strangers.iter().for_each(|name| kernel.drop_link(name));
    if kernel.tunnel.is_none() {
        kernel.drop_tunnel();
    }
    Ok(Observed { kernel, strangers, foreign })
}

fn is_container_link(name: &str) -> bool {
    TaskShort::is_container_link(name)
}

/// Tells links that are as we make them from those of our names that are not.
fn links_of<'a>(present: impl Iterator<Item = &'a Link>) -> (Kernel, Vec<String>) {
    let (mut kernel, mut strangers) = (Kernel::default(), Vec::new());
    for link in present {
        if link.name == TUNNEL {
            kernel.tunnel = tunnel::read(link).filter(|_| !link.is_bent);
            strangers.extend(kernel.tunnel.is_none().then(|| link.name.clone()));
        } else if is_container_link(&link.name) {
            match container_of(link).filter(|_| link.is_plain_pair()) {
                Some((task, container)) => {
                    let held = ContainerLink { task, container, mtu: link.mtu };
                    kernel.links.insert(link.name.clone(), held);
                }
                None => strangers.push(link.name.clone()),
            }
        } else if tunnel::read(link).is_some() {
            // Ours under another name: the network's number is taken as long as it is there.
            strangers.push(link.name.clone());
        }
    }
    (kernel, strangers)
}

/// Reads which containers a sandbox has links to.
pub(crate) async fn containers(links: &Links) -> Result<BTreeMap<TaskId, Container>, LinkError> {
    Ok(links.list().await?.iter().filter_map(container_of).collect())
}

fn container_of(link: &Link) -> Option<(TaskId, Container)> {
    let (task, container) = parse_alias(link.alias.as_deref()?)?;
    is_container_link(&link.name).then_some((task, container))
}

fn way_of(route: &PresentRoute, name: impl Fn(u32) -> Option<String>) -> Option<Way> {
    match (route.gateway, name(route.link?)?) {
        (None, link) => Some(Way::Link(link)),
        (Some(router), link) if link == TUNNEL => Some(Way::Via(router)),
        (Some(_), _) => None,
    }
}
