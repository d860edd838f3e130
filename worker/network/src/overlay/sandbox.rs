//! The sandbox of one network: made or opened, cleaned of what is not ours, and what of it is not as it should be.

use proto::model::{NetworkId, NetworkInfo};
use tracing::{info, warn};
use worker_core::overlay::names::{TUNNEL, UPLINK};
use worker_core::overlay::{Kernel, differences};

use crate::alarms::{Alarms, Place, Watch};
use crate::link_error::LinkError;
use crate::links::Links;
use crate::marked::MarkedTable;
use crate::namespace::Namespace;
use crate::overlay::error::OverlayFault;
use crate::overlay::mesh::ANSWERS;
use crate::overlay::observe::{Observed, observe};
use crate::overlay::settle::Ground;
use crate::sandbox::{policy_differences, put_policy, setting_differences, settings, settle_settings};
use crate::sysctl;

/// A sandbox that is there.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) namespace: Namespace,
    pub(crate) links: Links,
    /// Notices changes as long as the sandbox is known.
    pub(crate) watch: Watch,
}

impl Sandbox {
    /// Takes a namespace as the sandbox of a network.
    pub(crate) async fn of(
        namespace: Namespace,
        network: NetworkId,
        alarms: &Alarms,
    ) -> Result<Self, LinkError> {
        let links = Links::of(&namespace).await?;
        let watch = Watch::begin(&namespace, Place::Network(network), alarms).await;
        Ok(Self { namespace, links, watch })
    }

    /// Makes an empty sandbox, or opens the one that is there.
    pub(crate) async fn make(ground: Ground<'_>, info: &NetworkInfo) -> Result<Self, OverlayFault> {
        let namespace = Namespace::create(&ground.config.netns_of_network(info.id)).await?;
        let sandbox = Self::of(namespace, info.id, &ground.host.alarms).await?;
        sysctl::apply(&sandbox.namespace, settings(info.ipv6.is_some())).await?;
        let lo = sandbox.links.expect("lo").await?;
        sandbox.links.set_up(&lo).await?;
        info!(network = %info.id, "network made");
        Ok(sandbox)
    }

    /// Reads what it holds, and deletes what is not ours to keep; makes settings and policy rules what they are to be.
    pub(crate) async fn clean(
        &self,
        ground: Ground<'_>,
        info: &NetworkInfo,
    ) -> Result<Observed, OverlayFault> {
        sysctl::apply(&self.namespace, settings(info.ipv6.is_some())).await?;
        put_policy(&self.links, ground.host.ipv6, marked(info)).await?;
        let observed = observe(&self.links).await?;
        for name in &observed.strangers {
            warn!(link = %name, sandbox = %self.namespace.path().display(), "half-made or foreign link removed");
            self.links.delete(name).await?;
        }
        for route in &observed.foreign {
            self.links.delete_found_route(route).await?;
        }
        Ok(observed)
    }

    /// Makes the settings of its links.
    pub(crate) async fn settle_links(&self, info: &NetworkInfo, wanted: &Kernel) -> Result<(), OverlayFault> {
        Ok(settle_settings(&self.namespace, info.ipv6.is_some(), names_of(wanted, info)).await?)
    }

    /// Says what of its links, addresses, routes, policy rules and settings is not as it should be.
    pub(crate) async fn differences(
        &self,
        ground: Ground<'_>,
        info: &NetworkInfo,
        wanted: &Kernel,
    ) -> Result<Vec<String>, OverlayFault> {
        let observed = observe(&self.links).await?;
        let mut told: Vec<String> =
            differences(&observed.kernel, wanted).iter().map(ToString::to_string).collect();
        told.extend(observed.strangers.iter().map(|name| format!("the link {name} should not be there")));
        told.extend(observed.foreign.iter().map(|route| {
            let (destination, prefix, metric) = (route.destination, route.prefix, route.metric);
            format!("a route to {destination}/{prefix} of metric {metric} should not be there")
        }));
        told.extend(policy_differences(&self.links, ground.host.ipv6, marked(info)).await?);
        let names = names_of(wanted, info);
        told.extend(setting_differences(&self.namespace, info.ipv6.is_some(), names).await?);
        Ok(told)
    }
}

/// Returns the names of the links that packets come by.
fn names_of<'a>(wanted: &'a Kernel, info: &NetworkInfo) -> impl Iterator<Item = &'a str> {
    let (tunnel, uplink) = (wanted.tunnel.map(|_| TUNNEL), info.ingress.then_some(UPLINK));
    wanted.links.keys().map(String::as_str).chain(tunnel).chain(uplink)
}

/// Returns the table for marked packets that it has.
fn marked(info: &NetworkInfo) -> Option<MarkedTable> {
    info.ingress.then_some(ANSWERS)
}
