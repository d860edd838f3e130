//! The kernels of nodes hold the networks that their nodes take part in, as the managers have them, and no others:
//! nobody is led to a task that has gone.

use super::{Broken, Kept, converged};
use crate::sim::{World, hosts::Host};
use manager_core::{
    networks::{Table, Tables},
    state::State,
};
use proto::model::{NetworkId, NetworkTable};
use std::{collections::BTreeMap, sync::Arc};

/// Looks at every machine that has power.
pub(super) fn check(world: &World) -> Kept {
    let tables = Tables::default().next(world.state());
    let there = world.hosts.iter().filter(|host| host.power && !host.left);
    there.into_iter().try_for_each(|host| check_host(world.state(), &tables, host))
}

fn check_host(state: &State, tables: &Tables, host: &Host) -> Kept {
    let broken = |network: &NetworkTable, what: &str| {
        let what = format!("{} {what} network {}", host.name, network.info.name);
        Err(Broken::new("nodes_know_their_networks", what))
    };
    let mut held = host.kernel.held.clone();
    let wanted: BTreeMap<NetworkId, &Arc<Table>> = tables.of_node(host.id).collect();
    for (id, table) in wanted {
        let update = table.in_full(host.id);
        let mut wanted = NetworkTable::new(update.info.clone());
        wanted.apply(update);
        match held.remove(&id) {
            _ if is_restless(state, &wanted) => {}
            Some(held) if *held == wanted => {}
            Some(_) => return broken(&wanted, "has something else of"),
            None => return broken(&wanted, "has nothing of"),
        }
    }
    match held.values().find(|table| !is_restless(state, table)) {
        Some(table) => broken(table, "has no part and still something of"),
        None => Ok(()),
    }
}

/// Whether tasks in a network never come to rest.
fn is_restless(state: &State, table: &NetworkTable) -> bool {
    let mut of_services = table.services.keys().flat_map(|service| state.tasks_of(*service));
    let has_restless = |id: &_| state.service(*id).is_some_and(|service| !converged::lasts(&service.spec));
    table.services.keys().any(has_restless) || of_services.any(|task| converged::is_restless(task))
}
