//! What the managers told of the networks this node takes part in.

use proto::model::{NetworkId, NetworkTable, NetworkUpdate, NodeId, ServiceId, Task};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One message's part about networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether these are all of them: what is not named is not the node's any more.
    pub full: bool,
    /// Networks that are new to the node, or of which something changed.
    pub updates: Vec<NetworkUpdate>,
    /// Networks the node does not take part in any more.
    pub remove: Vec<NetworkId>,
}

/// The networks a node takes part in. Clones share the tables, and a change costs as much as what it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<NetworkId, Arc<NetworkTable>>);

/// A part of the tables that changes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// A network's own description.
    Network(NetworkId),
    /// A node that takes part in it.
    Peer(NetworkId, NodeId),
    /// A service in it.
    Service(NetworkId, ServiceId),
}

/// Says that something changed in a network that was never told whole: a message was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("network {0} was never told whole")]
pub struct UnknownNetwork(pub NetworkId);

impl Row {
    /// The network it is of.
    pub fn network(self) -> NetworkId {
        let (Self::Network(id) | Self::Peer(id, _) | Self::Service(id, _)) = self;
        id
    }
}

impl Tables {
    /// Takes a message in, all of it or nothing. Returns the rows that are different now, a network's own before those in
    /// it; a table none of whose rows is different stays the same one.
    pub fn take(&mut self, told: Told) -> Result<Vec<Row>, UnknownNetwork> {
        let is_known = |update: &NetworkUpdate| update.full || self.0.contains_key(&update.info.id);
        if let Some(unknown) =
            told.updates.iter().find(|update| told.full && !update.full || !is_known(update))
        {
            return Err(UnknownNetwork(unknown.info.id));
        }
        let mut gone: BTreeSet<NetworkId> = told.remove.into_iter().collect();
        if told.full {
            let named: BTreeSet<NetworkId> = told.updates.iter().map(|update| update.info.id).collect();
            gone.extend(self.0.keys().filter(|id| !named.contains(id)));
        }
        let mut rows = Vec::new();
        told.updates.into_iter().for_each(|update| self.take_one(update, &mut rows));
        for id in gone {
            if let Some(table) = self.0.remove(&id) {
                rows.extend(rows_of(&table));
            }
        }
        Ok(rows)
    }

    fn take_one(&mut self, mut update: NetworkUpdate, rows: &mut Vec<Row>) {
        let id = update.info.id;
        let before = rows.len();
        let is_new = !self.0.contains_key(&id);
        let entry = self.0.entry(id);
        let table = entry.or_insert_with(|| Arc::new(NetworkTable::new(update.info.clone())));
        if is_new || table.info != update.info {
            rows.push(Row::Network(id));
        }
        if update.full {
            // Only what is different is touched.
            let put: BTreeSet<_> = update.put_peers.iter().map(|peer| peer.node).collect();
            update.remove_peers = table.peers.keys().filter(|id| !put.contains(id)).copied().collect();
            let put: BTreeSet<_> = update.put_services.iter().map(|service| service.id).collect();
            update.remove_services = table.services.keys().filter(|id| !put.contains(id)).copied().collect();
            update.full = false;
        }
        update.put_peers.retain(|peer| table.peers.get(&peer.node) != Some(peer));
        update.remove_peers.retain(|node| table.peers.contains_key(node));
        update.put_services.retain(|service| table.services.get(&service.id) != Some(service));
        update.remove_services.retain(|service| table.services.contains_key(service));
        let peers = update.put_peers.iter().map(|peer| peer.node).chain(update.remove_peers.iter().copied());
        rows.extend(peers.map(|node| Row::Peer(id, node)));
        let put = update.put_services.iter().map(|service| service.id);
        rows.extend(put.chain(update.remove_services.iter().copied()).map(|it| Row::Service(id, it)));
        if rows.len() > before {
            Arc::make_mut(table).apply(update);
        }
    }

    /// Whether another task of a task's service gets connections in one of the task's networks.
    pub fn is_served_besides(&self, task: &Task) -> bool {
        let tables = task.addresses.iter().filter_map(|held| self.0.get(&held.network));
        let services = tables.filter_map(|table| table.services.get(&task.service));
        let mut endpoints = services.flat_map(|service| &service.endpoints);
        endpoints.any(|(id, endpoint)| *id != task.id && endpoint.serves())
    }

    /// What is known of a network.
    pub fn get(&self, id: NetworkId) -> Option<&Arc<NetworkTable>> {
        self.0.get(&id)
    }

    /// Every network.
    pub fn iter(&self) -> impl Iterator<Item = (NetworkId, &Arc<NetworkTable>)> {
        self.0.iter().map(|(id, table)| (*id, table))
    }
}

/// All rows of a network, its own first.
fn rows_of(table: &NetworkTable) -> impl Iterator<Item = Row> {
    let id = table.info.id;
    let peers = table.peers.keys().map(move |node| Row::Peer(id, *node));
    let services = table.services.keys().map(move |service| Row::Service(id, *service));
    [Row::Network(id)].into_iter().chain(peers).chain(services)
}

impl FromIterator<NetworkTable> for Tables {
    fn from_iter<I: IntoIterator<Item = NetworkTable>>(tables: I) -> Self {
        Self(tables.into_iter().map(|table| (table.info.id, Arc::new(table))).collect())
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
