//! The node's link that a network is on: found, or made where it is a VLAN's; removed with the network.

use std::collections::BTreeSet;

use nix::errno::Errno;
use proto::model::{MacvlanMode, NetworkId, ParentLink};
use rtnetlink::{LinkVlan, packet_route::link::LinkMessage};
use tracing::info;
use worker_core::macvlan::{VLAN_GROUP, alias, parse_alias};

use crate::link_error::LinkError;
use crate::links::{Link, Links, is};
use crate::macvlan::error::{MacvlanError, MacvlanFault};
use crate::namespace::Namespace;
use crate::sysctl::{self, Setting};

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
        let find = async |name: &str| {
            self.links.find(name).await.map_err(|source| failed("set up", network, parent, source))
        };
        let found = match find(name).await? {
            Some(link) if is_half_made(&link) => self.finish_vlan(network, parent, &link).await?,
            Some(link) => link,
            None => self.make_vlan(network, parent).await?,
        };
        let on_it = self.network_on(&found);
        // Of two networks the one that came last is there to stay: managers let no two be on one link.
        if on_it.is_some_and(|other| other != network) {
            let renamed = self.links.set_alias(&found, &alias(self.node, network)).await;
            renamed.map_err(|source| failed("set up", network, parent, source))?;
        }
        let base = match on_it {
            Some(_) => parent.vlan().map_or(name, |(base, _)| base),
            None => name,
        };
        let is_up = find(base).await?.is_some_and(|link| link.up);
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
        let link: LinkMessage =
            LinkVlan::new(parent.as_str(), below.index, number).link_group(VLAN_GROUP).build();
        self.links.add(parent.as_str(), link, "8021q", "CONFIG_VLAN_8021Q").await.map_err(failed)?;
        let made = self.links.expect(parent.as_str()).await.map_err(failed)?;
        self.finish_vlan(network, parent, &made).await
    }

    /// Makes a VLAN's settings and switches it on.
    async fn finish_vlan(
        &self,
        network: NetworkId,
        parent: &ParentLink,
        link: &Link,
    ) -> Result<Link, MacvlanError> {
        let failed = |fault: MacvlanFault| failed("make a VLAN for", network, parent, fault);
        let host = Namespace::open(self.links.namespace()).map_err(|error| failed(error.into()))?;
        let settings = keep_host_off(&link.name);
        sysctl::apply(&host, settings).await.map_err(|error| failed(error.into()))?;
        let switched_on = async {
            self.links.set_alias(link, &alias(self.node, network)).await?;
            self.links.set_up(link).await?;
            self.links.expect(&link.name).await
        };
        let link = switched_on.await.map_err(|error| failed(error.into()))?;
        info!(%network, link = %parent, "vlan made");
        Ok(link)
    }

    /// Gives a network's VLAN up, which removes it unless another network has taken it over.
    pub(crate) async fn release(&self, network: NetworkId) -> Result<(), MacvlanError> {
        let failed = |source: LinkError| MacvlanError::Links { verb: "remove", source: source.into() };
        for link in self.links.list().await.map_err(failed)? {
            if self.network_on(&link) == Some(network) {
                self.links.delete(&link.name).await.map_err(failed)?;
                info!(%network, link = %link.name, "vlan removed");
            }
        }
        Ok(())
    }

    /// Returns the networks that have a VLAN of this node's making.
    pub(crate) async fn networks(&self) -> Result<BTreeSet<NetworkId>, MacvlanError> {
        let listed = self.links.list().await;
        let links = listed.map_err(|source| MacvlanError::Links { verb: "list", source: source.into() })?;
        Ok(links.iter().filter_map(|link| self.network_on(link)).collect())
    }

    /// The network on a link, if this node made it.
    fn network_on(&self, link: &Link) -> Option<NetworkId> {
        parse_alias(self.node, link.alias.as_deref()?)
    }
}

/// Whether a daemon ended between adding a VLAN and saying whose it is.
fn is_half_made(link: &Link) -> bool {
    link.group == VLAN_GROUP && link.alias.is_none()
}

/// Settings of a VLAN that keep the host itself, which has no business there, from having an address on it or answering
/// for one it has elsewhere.
fn keep_host_off(link: &str) -> Vec<Setting> {
    let mut settings = vec![Setting::new(format!("ipv4/conf/{link}/arp_ignore"), "8")];
    if sysctl::kernel_has_ipv6() {
        settings.push(Setting::new(format!("ipv6/conf/{link}/accept_ra"), "0"));
        settings.push(Setting::new(format!("ipv6/conf/{link}/disable_ipv6"), "1"));
    }
    settings
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
