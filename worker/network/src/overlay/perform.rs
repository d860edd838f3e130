//! Carries out single steps in a sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use ipnet::IpNet;
use nix::errno::Errno;
use proto::model::{NetworkId, NetworkInfo};
use tracing::{info, warn};
use worker_core::network::{Flow, Sought};
use worker_core::overlay::names::{TUNNEL, alias, short};
use worker_core::overlay::{self, ContainerLink, Plan, Step, Way};

use crate::challenge::challenge;
use crate::config::NetworkConfig;
use crate::conntrack;
use crate::container::{Reach, furnish};
use crate::link_error::LinkError;
use crate::links::{Link, Links, VethPair, is};
use crate::namespace::Namespace;
use crate::neighbours::Neighbour;
use crate::nft::Nft;
use crate::nft_loaded::Loaded;
use crate::overlay::answers::lead_answers_back;
use crate::overlay::error::{OverlayError, OverlayFault};
use crate::overlay::host_side::HostSide;
use crate::overlay::mesh::ANSWERS;
use crate::overlay::tunnel;
use crate::routes::{self, Route};
use crate::tracked::Tracked;

/// What steps are carried out with.
pub(crate) struct Hands<'a> {
    config: &'a NetworkConfig,
    nft: &'a Nft,
    host: &'a HostSide,
    info: &'a NetworkInfo,
    plan: Arc<Plan>,
    sandbox: &'a Namespace,
    links: &'a Links,
    /// The sandbox's links by name, so that not every step asks for them.
    known: BTreeMap<String, Link>,
    /// The rules that the sandbox has.
    pub(crate) loaded: Option<Loaded>,
    /// What somebody else had changed of the rules before they were loaded, in words.
    pub(crate) undone: Vec<String>,
}

impl<'a> Hands<'a> {
    /// Readies for steps in a sandbox.
    pub(crate) async fn new(
        (config, nft, host): (&'a NetworkConfig, &'a Nft, &'a HostSide),
        (info, plan, loaded): (&'a NetworkInfo, Arc<Plan>, Option<Loaded>),
        (sandbox, links): (&'a Namespace, &'a Links),
    ) -> Result<Self, LinkError> {
        let known = links.list().await?.into_iter().map(|link| (link.name.clone(), link)).collect();
        let undone = Vec::new();
        Ok(Self { config, nft, host, info, plan, sandbox, links, known, loaded, undone })
    }

    /// Carries out one step.
    pub(crate) async fn perform(&mut self, step: &Step) -> Result<(), OverlayError> {
        let network = self.info.id;
        match step {
            Step::AddTunnel(tunnel) => {
                tunnel::add(network, &self.host.links, self.sandbox, tunnel).await?;
                self.raise_tunnel().await.map_err(OverlayError::failed("raise the tunnel of", network))
            }
            step => self.change(network, step).await.map_err(OverlayError::failed("set up", network)),
        }
    }

    async fn change(&mut self, network: NetworkId, step: &Step) -> Result<(), OverlayFault> {
        let links = self.links;
        match step {
            Step::AddTunnel(_) => {}
            Step::RemoveTunnel => links.delete(TUNNEL).await?,
            Step::SetTunnelMtu(mtu) => links.set_mtu(self.link(TUNNEL)?, *mtu).await?,
            Step::AddLink(name, link) => self.add_link(name, link).await?,
            Step::RemoveLink(name) => links.delete(name).await?,
            Step::SetLinkMtu(name, link) => self.set_link_mtu(name, link).await?,
            Step::Raise(name) => links.set_up(self.link(name)?).await?,
            Step::AddAddress(link, net) => {
                links.put_address(self.link(link)?, net.addr(), net.prefix_len()).await?;
            }
            Step::RemoveAddress(link, net) => {
                links.delete_address(self.link(link)?, net.addr(), net.prefix_len()).await?;
            }
            Step::PutForwarding(mac, address) => {
                links.put_forwarding(self.link(TUNNEL)?, Neighbour { address: *address, mac: *mac }).await?;
            }
            Step::RemoveForwarding(mac) => links.delete_forwarding(self.link(TUNNEL)?, *mac).await?,
            Step::PutNeighbour(address, mac) => {
                links.put_neighbour(self.link(TUNNEL)?, Neighbour { address: *address, mac: *mac }).await?;
            }
            Step::RemoveNeighbour(address) => links.delete_neighbour(self.link(TUNNEL)?, *address).await?,
            Step::PutRoute(net, way) => links.put_route(self.route(net, way)?).await?,
            Step::RemoveRoute(net, way) => links.delete_route(self.route(net, way)?).await?,
            Step::AddAnswers(router) => {
                links.put_marked_route(Route::default_by(*router, self.link(TUNNEL)?), ANSWERS).await?;
            }
            Step::RemoveAnswers(router) => {
                links.delete_marked_route(Route::default_by(*router, self.link(TUNNEL)?), ANSWERS).await?;
            }
            Step::AddUnreachable(net) => links.put_route(last_resort(net)).await?,
            Step::RemoveUnreachable(net) => links.delete_route(last_resort(net)).await?,
            Step::Load(script) => self.load(script.clone()).await?,
            Step::Change(change) => match self.loaded.take().filter(Loaded::is_known) {
                Some(loaded) => self.loaded = Some(loaded.change(self.nft, self.sandbox, change).await?),
                None => self.load(self.plan.desired().rules.script()).await?,
            },
            Step::ForgetStaleFlows(sought) => {
                let plan = self.plan.clone();
                let is_stale = move |flow: &Flow| flow.is_stale(&plan.desired().rules);
                let forgotten = conntrack::forget(self.sandbox, sought.clone(), is_stale).await?;
                if !forgotten.is_empty() {
                    info!(%network, connections = forgotten.len(), "connections to lost backends forgotten");
                    self.reset_clients(forgotten).await;
                }
            }
        }
        Ok(())
    }

    /// Has clients reset that wait for lost backends and would never notice. Others are when they speak, and so are these if
    /// it fails.
    async fn reset_clients(&self, mut forgotten: Vec<Tracked>) {
        forgotten.retain(|held| held.is_open);
        let reset = async {
            if self.plan.desired().rules.mesh.is_none() {
                return challenge(self.sandbox, forgotten).await.map_err(OverlayFault::from);
            }
            // What they speak to is an address of the host, which handed their connections over and tracks them too.
            let host = &self.host.namespace;
            let lost: BTreeSet<_> =
                forgotten.iter().map(|held| (held.client, held.flow.destination)).collect();
            let sought = forgotten.iter().map(|held| Sought::like(&held.flow)).collect();
            let is_lost = move |held: &Tracked| lost.contains(&(held.seen, held.flow.answerer));
            Ok(challenge(host, conntrack::find_all(host, sought, is_lost).await?).await?)
        };
        if let Err(error) = reset.await {
            let error: &(dyn Error + 'static) = &error;
            warn!(network = %self.info.id, error, "clients that wait for lost backends are not told");
        }
    }

    async fn load(&mut self, script: String) -> Result<(), OverlayFault> {
        let rules = &self.plan.desired().rules;
        let (before, whole) = (self.loaded.take(), || rules.script());
        let loading = Loaded::load(self.nft, self.sandbox, &rules.table, before, script, whole).await?;
        self.loaded = Some(loading.loaded);
        self.undone.extend(loading.undone);
        Ok(())
    }

    async fn raise_tunnel(&mut self) -> Result<(), LinkError> {
        let link = self.links.expect(TUNNEL).await?;
        self.links.set_up(&link).await?;
        self.known.insert(TUNNEL.to_owned(), link);
        Ok(())
    }

    /// Joins a container. The alias comes last: a link without one is half-made, and made anew after a crash.
    async fn add_link(&mut self, name: &str, held: &ContainerLink) -> Result<(), OverlayFault> {
        let namespace = self.namespace_of(held)?;
        let interface = held.container.interface.to_string();
        let pair = VethPair { name, peer: &interface, peer_in: &namespace, mtu: held.mtu, group: 0 };
        let link = match self.links.add_veth(pair).await {
            // It leads to a sandbox that is no more.
            Err(LinkError::Add { source, .. }) if is(&source, Errno::EEXIST) => {
                Links::of(&namespace).await?.delete(&interface).await?;
                self.links.add_veth(pair).await?
            }
            link => link?,
        };
        let addresses = overlay::container_addresses(self.info, held.container.number);
        let reach = if self.info.ingress { Reach::Nothing } else { Reach::Subnets };
        furnish(&namespace, &interface, &addresses, reach).await.map_err(Box::new)?;
        if self.info.ingress {
            let interface = held.container.interface;
            lead_answers_back(self.nft, &namespace, interface, &addresses, held.mtu).await?;
        }
        self.links.set_up(&link).await?;
        self.links.set_alias(&link, &alias(held.task, &held.container)).await?;
        self.known.insert(name.to_owned(), link);
        Ok(())
    }

    async fn set_link_mtu(&self, name: &str, held: &ContainerLink) -> Result<(), OverlayFault> {
        let inside = Links::of(&self.namespace_of(held)?).await?;
        let far = inside.expect(&held.container.interface.to_string()).await?;
        inside.set_mtu(&far, held.mtu).await?;
        Ok(self.links.set_mtu(self.link(name)?, held.mtu).await?)
    }

    fn namespace_of(&self, held: &ContainerLink) -> Result<Namespace, OverlayFault> {
        Ok(Namespace::open(&self.config.netns_of(&short(held.task)))?)
    }

    fn link(&self, name: &str) -> Result<&Link, LinkError> {
        let namespace = || self.links.namespace().to_owned();
        let missing = || LinkError::Missing { link: name.to_owned(), namespace: namespace() };
        self.known.get(name).ok_or_else(missing)
    }

    fn route(&self, net: &IpNet, way: &Way) -> Result<Route, LinkError> {
        let link = self.link(way.link())?;
        let way = match way {
            Way::Link(_) => routes::Way::Link(link.index),
            Way::Via(router) => routes::Way::Gateway(*router, link.index),
        };
        Ok(Route { destination: net.addr(), prefix: net.prefix_len(), way })
    }
}

fn last_resort(net: &IpNet) -> Route {
    Route { destination: net.addr(), prefix: net.prefix_len(), way: routes::Way::LastResort }
}
