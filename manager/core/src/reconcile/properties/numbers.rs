//! Numbers of networks: held once, by those who need them, and by nobody in the end.

use crate::{
    networks::networks_of,
    orchestrator::slots::holds_node,
    state::{Holder, State},
};
use proptest::{prelude::*, test_runner::TestCaseError};
use proto::model::NetworkId;
use std::collections::{BTreeMap, BTreeSet};

/// Works out from the objects who holds what, and compares it with the index.
pub(super) fn check(state: &State) -> Result<(), TestCaseError> {
    let mut held: BTreeMap<(NetworkId, u32), Holder> = BTreeMap::new();
    let mut hold = |network, number, holder| {
        let before = held.insert((network, number), holder);
        prop_assert!(before.is_none(), "{number} of {network} is held by {holder} and {before:?}");
        Ok(())
    };
    for task in state.tasks().filter(|task| holds_node(task)) {
        let networks = networks_of(state, &task.spec).expect("networks stay while tasks are in them");
        // One that was disconnected by force has given its address up before its node let go of it.
        let has = |network| task.addresses.iter().any(|address| address.network == network);
        let holds = task.connections.iter().filter(|it| !it.leaving || has(it.network));
        let connected = holds.map(|connection| connection.network);
        let wanted: Vec<NetworkId> = networks.iter().map(|network| network.id).chain(connected).collect();
        let has: Vec<NetworkId> = task.addresses.iter().map(|address| address.network).collect();
        prop_assert_eq!(&has, &wanted, "task {} of {}", task.id, task.spec.name);
        for address in &task.addresses {
            hold(address.network, address.number, Holder::Task(task.id))?;
            let node = task.node.expect("it was assigned");
            let lease = state.network(address.network).and_then(|network| network.nodes.get(&node));
            prop_assert!(lease.is_some() || state.node(node).is_none(), "node {node} takes no part");
        }
    }
    for service in state.services() {
        for (&network, &number) in &service.vips {
            hold(network, number, Holder::Service(service.id))?;
        }
    }
    for network in state.networks() {
        let mut blocks = BTreeSet::new();
        for (&node, lease) in &network.nodes {
            hold(network.id, lease.number, Holder::Node(node))?;
            for &block in &lease.blocks {
                prop_assert!(blocks.insert(block), "block {block} of {} is leased twice", network.spec.name);
            }
        }
        prop_assert_eq!(blocks, state.blocks_in(network.id).map(|(block, _)| block).collect::<BTreeSet<_>>());
    }
    let indexed = state
        .networks()
        .flat_map(|network| state.held_in(network.id).map(|(number, holder)| ((network.id, number), holder)));
    prop_assert_eq!(held, indexed.collect::<BTreeMap<_, _>>());
    Ok(())
}

/// Nothing is held any more.
pub(super) fn check_nothing_held(state: &State) -> Result<(), TestCaseError> {
    prop_assert_eq!(state.services().count(), 0);
    for network in state.networks() {
        let held: Vec<_> = state.held_in(network.id).collect();
        prop_assert!(held.is_empty() && network.nodes.is_empty(), "{}: {held:?}", network.spec.name);
    }
    Ok(())
}
