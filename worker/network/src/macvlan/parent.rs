//! The node's link that a network is on: found, or made where it is a VLAN's; removed with the last network.

use std::collections::BTreeSet;

use nix::errno::Errno;
use proto::model::{MacvlanMode, NetworkId, ParentLink};
use rtnetlink::{LinkVlan, packet_route::link::LinkMessage};
use tracing::info;
use worker_core::macvlan::{alias, parse_alias};

use crate::link_error::LinkError;
use crate::links::{Link, Links, is};
use crate::macvlan::error::{MacvlanError, MacvlanFault};

/// The node's links, and whose they are.
pub(crate) struct Parents<'a> {
    pub(crate) links: &'a Links,
    /// The node's id.
    pub(crate) node: &'a str,
}

impl Parents<'_> {
    /// Finds a network's link, and makes it if it is a VLAN's; one that was there before stays when the network goes.
    pub(crate) async fn ensure(&self, network: NetworkId, parent: &ParentLink) -> Result<Link, MacvlanError> {
        let name = parent.as_str();
        let failed = |source: LinkError| failed("set up", network, parent, source);
        let found = match self.links.find(name).await.map_err(failed)? {
            Some(link) => link,
            None => self.make_vlan(network, parent).await?,
        };
        if let Some(networks) = self.networks_on(&found)
            && !networks.contains(&network)
        {
            let networks = networks.into_iter().chain([network]).collect();
            self.links.set_alias(&found, &alias(self.node, &networks)).await.map_err(failed)?;
        }
        let base = match self.networks_on(&found) {
            Some(_) => parent.vlan().map_or(name, |(base, _)| base),
            None => name,
        };
        let is_up = self.links.find(base).await.map_err(failed)?.is_some_and(|link| link.up);
        if is_up { Ok(found) } else { Err(MacvlanError::ParentDown { parent: base.to_owned() }) }
    }

    /// Says what a network's link lacks, and changes nothing.
    pub(crate) async fn differences(
        &self,
        network: NetworkId,
        parent: &ParentLink,
    ) -> Result<Vec<String>, MacvlanError> {
        let found = self.links.find(parent.as_str()).await;
        let found = found.map_err(|source| failed("examine", network, parent, source))?;
        Ok(match found {
            None => vec![format!("the link {parent} is missing")],
            Some(link) if !link.up => vec![format!("the link {parent} is switched off")],
            Some(_) => Vec::new(),
        })
    }

    async fn make_vlan(&self, network: NetworkId, parent: &ParentLink) -> Result<Link, MacvlanError> {
        let missing = |name: &str| MacvlanError::NoParent { parent: name.to_owned() };
        let failed = |source: LinkError| failed("make a VLAN for", network, parent, source);
        let (base, number) = parent.vlan().ok_or_else(|| missing(parent.as_str()))?;
        let below = self.links.find(base).await.map_err(failed)?.ok_or_else(|| missing(base))?;
        let link: LinkMessage = LinkVlan::new(parent.as_str(), below.index, number).build();
        self.links.add(parent.as_str(), link, "8021q", "CONFIG_VLAN_8021Q").await.map_err(failed)?;
        let made = self.links.expect(parent.as_str()).await.map_err(failed)?;
        self.links.set_alias(&made, &alias(self.node, &[network].into())).await.map_err(failed)?;
        self.links.set_up(&made).await.map_err(failed)?;
        info!(%network, link = %parent, "vlan made");
        self.links.expect(parent.as_str()).await.map_err(failed)
    }

    /// Gives a network's VLAN up; the last one removes it.
    pub(crate) async fn release(&self, network: NetworkId) -> Result<(), MacvlanError> {
        let failed = |source: LinkError| MacvlanError::Links { verb: "remove", source: source.into() };
        for link in self.links.list().await.map_err(failed)? {
            let Some(mut networks) = self.networks_on(&link).filter(|all| all.contains(&network)) else {
                continue;
            };
            networks.remove(&network);
            if networks.is_empty() {
                self.links.delete(&link.name).await.map_err(failed)?;
                info!(%network, link = %link.name, "vlan removed");
            } else {
                self.links.set_alias(&link, &alias(self.node, &networks)).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Returns the networks that have a VLAN of this node's making.
    pub(crate) async fn networks(&self) -> Result<BTreeSet<NetworkId>, MacvlanError> {
        let listed = self.links.list().await;
        let links = listed.map_err(|source| MacvlanError::Links { verb: "list", source: source.into() })?;
        Ok(links.iter().filter_map(|link| self.networks_on(link)).flatten().collect())
    }

    /// The networks on a link, if this node made it.
    fn networks_on(&self, link: &Link) -> Option<BTreeSet<NetworkId>> {
        parse_alias(self.node, link.alias.as_deref()?)
    }
}

/// Removes all VLANs that a node made.
pub(crate) async fn remove_all(links: &Links, node: &str) -> Result<(), LinkError> {
    for link in links.list().await? {
        if link.alias.as_deref().and_then(|alias| parse_alias(node, alias)).is_some() {
            links.delete(&link.name).await?;
        }
    }
    Ok(())
}

/// Says what was being done on a network's link when the kernel failed.
pub(crate) fn failed(
    verb: &'static str,
    network: NetworkId,
    parent: &ParentLink,
    source: impl Into<MacvlanFault>,
) -> MacvlanError {
    MacvlanError::Failed { verb, network, parent: parent.to_string(), source: source.into() }
}

/// Tells a link that takes no (further) container from other failures.
pub(crate) fn refused(
    network: NetworkId,
    parent: &ParentLink,
    mode: MacvlanMode,
    error: LinkError,
) -> MacvlanError {
    match error {
        LinkError::Add { source, .. } if is(&source, Errno::EBUSY) || is(&source, Errno::EINVAL) => {
            MacvlanError::ParentBusy { parent: parent.to_string(), mode }
        }
        error => failed("join", network, parent, error),
    }
}
