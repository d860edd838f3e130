//! What the ingress network has besides: a link to the host, and the gate there.

use std::collections::BTreeSet;

use tracing::info;
use worker_core::network::{Flow, Opening, PairEnd, Sought, UplinkAddresses, Wiring};
use worker_core::overlay::mesh::{ANSWER_MARK, ANSWERS_TABLE};
use worker_core::overlay::names::UPLINK;
use worker_core::overlay::{Gate, Rules};

use crate::conntrack;
use crate::error::NetworkError;
use crate::link_error::LinkError;
use crate::links::Links;
use crate::marked::MarkedTable;
use crate::nft_loaded::{Loaded, Loading};
use crate::overlay::error::OverlayFault;
use crate::overlay::host_side::HostSide;
use crate::overlay::sandbox::Sandbox;
use crate::overlay::settle::Ground;
use crate::uplink::{Uplink, UplinkPlace, addresses_of, check_owner, setting_differences};

/// The table of answers to clients, in the sandbox and in containers.
pub(crate) const ANSWERS: MarkedTable = MarkedTable { id: ANSWERS_TABLE, mark: ANSWER_MARK };

/// Sees to it that a sandbox is linked to the host, by a link of the MTU it had `before`, and routes answers by their mark.
pub(crate) async fn uplink(
    ground: Ground<'_>,
    sandbox: &Sandbox,
    before: Option<Uplink>,
) -> Result<Uplink, OverlayFault> {
    let node = ground.config.node().map_err(boxed)?;
    let host = ground.host;
    let place = UplinkPlace {
        config: ground.config,
        name: &node.mesh_uplink(),
        host: &host.namespace,
        host_links: &host.links,
        sandbox: &sandbox.namespace,
        sandbox_links: &sandbox.links,
        guard: host.guard,
        ipv6: host.ipv6,
        mtu: before.map(|before| before.mtu),
    };
    let uplink = place.ensure().await.map_err(Box::new)?;
    put_rules(&sandbox.links, host.ipv6).await?;
    Ok(uplink)
}

/// Returns the gate that goes with a sandbox's rules; `None` for other networks than the ingress network.
pub(crate) fn gate(ground: Ground<'_>, rules: &Rules) -> Result<Option<Gate>, OverlayFault> {
    let node = ground.config.node().map_err(boxed)?;
    Ok(Gate::to(rules, node, &ground.host.subnets))
}

/// A gate that the host has.
#[derive(Debug)]
pub(crate) struct LoadedGate {
    gate: Gate,
    pub(crate) loaded: Loaded,
}

/// Makes the host have a gate; tells besides, if anything had to be changed, what of somebody else's was undone by it.
pub(crate) async fn load_gate(
    ground: Ground<'_>,
    before: Option<LoadedGate>,
    gate: Gate,
) -> Result<(LoadedGate, Option<Vec<String>>), OverlayFault> {
    let script = match &before {
        Some(before) => before.gate.change(&gate),
        None => Some(gate.script()),
    };
    match (before, script) {
        (Some(before), None) => Ok((before, None)),
        (before, script) => {
            let (table, whole) = (gate.node.mesh_table(), || gate.script());
            let script = script.unwrap_or_else(whole);
            let known = before.as_ref().map(|before| before.loaded.clone());
            let place = &ground.host.namespace;
            let Loading { loaded, undone } =
                Loaded::load(ground.nft, place, &table, known, script, whole).await?;
            let sought =
                before.map_or([Sought::Any].into(), |before| changed(&before.gate.ports, &gate.ports));
            if !sought.is_empty() {
                forget(ground.host, sought, gate.uplink, gate.ports.clone()).await?;
            }
            Ok((LoadedGate { gate, loaded }, Some(undone)))
        }
    }
}

/// Says what is missing of the link between the host and a sandbox.
pub(crate) async fn differences(
    ground: Ground<'_>,
    sandbox: &Sandbox,
    uplink: Uplink,
) -> Result<Vec<String>, OverlayFault> {
    let (host, Uplink { addresses, mtu }) = (ground.host, uplink);
    let name = ground.config.node().map_err(boxed)?.mesh_uplink();
    let end = PairEnd { mtu, group: host.guard.link_group() };
    let (here, there) =
        (Wiring::of_host(&name, end, &addresses, host.ipv6), Wiring::of_uplink(mtu, &addresses, host.ipv6));
    let mut told = here.missing_in(&host.links.wiring_by(&name).await?);
    told.extend(there.missing_in(&sandbox.links.wiring_by(UPLINK).await?));
    told.extend(setting_differences(&host.namespace, &name, host.ipv6).await?);
    Ok(told)
}

/// Tells whether a sandbox is that of the ingress network.
pub(crate) async fn is_linked(sandbox: &Sandbox) -> Result<bool, LinkError> {
    Ok(sandbox.links.find(UPLINK).await?.is_some())
}

/// Takes the gate away, and the link with it, of whichever sandbox it was; nothing happens when they are not there.
pub(crate) async fn remove(ground: Ground<'_>) -> Result<(), OverlayFault> {
    let node = ground.config.node().map_err(boxed)?;
    let host = ground.host;
    ground.nft.load(&host.namespace, &node.mesh_table(), Gate::removal(&node)).await?;
    if let Some(link) = host.links.find(&node.mesh_uplink()).await? {
        check_owner(ground.config, &host.namespace, &link).map_err(boxed)?;
        if let Some(uplink) = addresses_of(&host.links, &link).await? {
            forget(host, [Sought::Any].into(), uplink, BTreeSet::new()).await?;
        }
        host.links.delete(&link.name).await?;
        info!("no port is published on every node any more");
    }
    Ok(())
}

/// Has the host forget connections that go elsewhere now. Those under way would else go on to be led to where nobody is,
/// datagrams to a new port go on to be refused.
async fn forget(
    host: &HostSide,
    sought: BTreeSet<Sought>,
    uplink: UplinkAddresses,
    ports: BTreeSet<Opening>,
) -> Result<(), OverlayFault> {
    let local = host.links.addresses().await?.into_iter().map(|present| present.address).collect();
    let is_stale = move |flow: &Flow| flow.is_misled_by_host(uplink, &ports, &local);
    conntrack::forget(&host.namespace, sought, is_stale).await?;
    Ok(())
}

/// Connections to ports that the host answers for otherwise than before.
fn changed(before: &BTreeSet<Opening>, now: &BTreeSet<Opening>) -> BTreeSet<Sought> {
    before.symmetric_difference(now).map(|opening| Sought::To(opening.key)).collect()
}

pub(super) async fn put_rules(links: &Links, ipv6: bool) -> Result<(), LinkError> {
    links.put_mark_rule(false, ANSWERS).await?;
    if ipv6 {
        links.put_mark_rule(true, ANSWERS).await?;
    }
    Ok(())
}

fn boxed(error: impl Into<NetworkError>) -> Box<NetworkError> {
    Box::new(error.into())
}
