//! Things that happen to networks: they come and go, and services and single tasks with them.

use super::churn::{pick, running, services};
use crate::{
    requests::{connection, network},
    testing::{Bench, network_in, network_spec},
};
use proptest::prelude::*;
use proto::model::{Network, NetworkAttachment, NetworkSpec};
use std::{collections::BTreeSet, sync::Arc};

/// Networks that there are at the same time, at most.
const NETWORKS_MAX: usize = 8;

/// One thing that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(super) enum NetworkEvent {
    Create {
        small: bool,
    },
    Remove {
        network: usize,
    },
    /// The network of published ports goes if it can, and comes back if it is gone.
    ReplaceIngress,
    Attach {
        service: usize,
        network: usize,
    },
    Connect {
        task: usize,
        network: usize,
    },
    Disconnect {
        task: usize,
        network: usize,
        force: bool,
    },
}

pub(super) fn event() -> impl Strategy<Value = NetworkEvent> {
    use NetworkEvent::*;
    let which = || 0usize..100;
    prop_oneof![
        2 => any::<bool>().prop_map(|small| Create { small }),
        2 => which().prop_map(|network| Remove { network }),
        1 => Just(ReplaceIngress),
        2 => (which(), which()).prop_map(|(service, network)| Attach { service, network }),
        4 => (which(), which()).prop_map(|(task, network)| Connect { task, network }),
        2 => (which(), which(), prop::bool::weighted(0.2))
            .prop_map(|(task, network, force)| Disconnect { task, network, force }),
    ]
}

/// Lets it happen; what is refused does not. `number` was in no name before.
pub(super) fn happen(bench: &mut Bench, event: NetworkEvent, number: u32) {
    let name = format!("net-{number}");
    match event {
        NetworkEvent::Create { small } if bench.state.networks().count() < NETWORKS_MAX => {
            let spec = match small {
                true => network_in(&name, &format!("10.200.{}.{}/29", number / 32, number % 32 * 8)),
                false => network_spec(&name),
            };
            bench.add_network(NetworkSpec { attachable: true, ..spec });
        }
        NetworkEvent::Create { .. } => {}
        NetworkEvent::Remove { network } => {
            // Those that histories begin with stay.
            let made = |it: &Network| !it.spec.ingress && it.spec.attachable;
            let Some(network) = pick(networks(bench, made), network) else { return };
            remove(bench, &network);
        }
        NetworkEvent::ReplaceIngress => match crate::networks::ingress(&bench.state).cloned() {
            Some(ingress) => remove(bench, &ingress),
            None => drop(bench.add_network(NetworkSpec { ingress: true, ..network_spec(&name) })),
        },
        NetworkEvent::Attach { service, network } => {
            let Some(service) = pick(services(bench), service) else { return };
            let Some(network) = pick(networks(bench, |it| !it.spec.ingress), network) else { return };
            bench.update(service, |spec| {
                let attachments = &mut spec.task.attachments;
                if attachments.iter().all(|it| it.network != network.id) {
                    attachments.push(NetworkAttachment { network: network.id, aliases: BTreeSet::new() });
                }
            });
        }
        NetworkEvent::Connect { task, network } => {
            let Some(task) = pick(running(bench), task) else { return };
            let Some(network) = pick(networks(bench, |it| it.spec.attachable), network) else { return };
            if let Ok(connected) = connection::connect(&bench.state, &task, &network, BTreeSet::new()) {
                bench.apply(&connected);
            }
        }
        NetworkEvent::Disconnect { task, network, force } => {
            let connected: Vec<_> =
                bench.state.tasks().filter(|task| !task.connections.is_empty()).cloned().collect();
            let Some(task) = pick(connected, task) else { return };
            let Some(connection) = pick(task.connections.clone(), network) else { return };
            let Some(network) = bench.state.network(connection.network).cloned() else { return };
            if let Ok(disconnected) = connection::disconnect(&task, &network, force) {
                bench.apply(&disconnected);
            }
        }
    }
}

/// Published ports are carried again.
pub(super) fn calm_down(bench: &mut Bench) {
    if crate::networks::ingress(&bench.state).is_none() {
        bench.add_network(NetworkSpec { ingress: true, ..network_spec("mesh") });
    }
}

fn networks(bench: &Bench, is_wanted: impl Fn(&Network) -> bool) -> Vec<Arc<Network>> {
    bench.state.networks().filter(|network| is_wanted(network)).cloned().collect()
}

fn remove(bench: &mut Bench, it: &Network) {
    if let Ok(removal) = network::remove(&bench.state, it) {
        bench.apply(&removal);
    }
}
