//! What the managers told of the networks this node takes part in.

use proto::model::{NetworkId, NetworkTable, NetworkUpdate, Task};
use std::{collections::BTreeMap, sync::Arc};

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

/// The networks a node takes part in. Clones share the tables, so they are cheap to compare and keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<NetworkId, Arc<NetworkTable>>);

/// Says that something changed in a network that was never told whole: a message was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("network {0} was never told whole")]
pub struct UnknownNetwork(pub NetworkId);

impl Tables {
    /// Takes a message in, all of it or nothing.
    pub fn take(&mut self, told: Told) -> Result<(), UnknownNetwork> {
        let is_known = |update: &NetworkUpdate| update.full || self.0.contains_key(&update.info.id);
        if let Some(unknown) =
            told.updates.iter().find(|update| told.full && !update.full || !is_known(update))
        {
            return Err(UnknownNetwork(unknown.info.id));
        }
        if told.full {
            self.0.retain(|id, _| told.updates.iter().any(|update| update.info.id == *id));
        }
        for update in told.updates {
            let table = self.0.entry(update.info.id);
            let table = table.or_insert_with(|| Arc::new(NetworkTable::new(update.info.clone())));
            Arc::make_mut(table).apply(update);
        }
        told.remove.iter().for_each(|id| drop(self.0.remove(id)));
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::{Id, Ipv4Pool, NetworkInfo, NetworkPeer, NodeLease};

    fn info(number: u128) -> NetworkInfo {
        let subnet = "10.5.0.0/24".parse().unwrap();
        NetworkInfo {
            id: Id::from_bits(number),
            name: "front".parse().unwrap(),
            vni: 4096,
            ipv4: Ipv4Pool { subnet, gateway: "10.5.0.1".parse().unwrap(), range: subnet },
            ipv6: None,
            mtu: None,
            internal: false,
            ingress: false,
        }
    }

    fn update(network: u128, full: bool, peers: &[u128]) -> NetworkUpdate {
        let peer = |&number: &u128| NetworkPeer {
            node: Id::from_bits(number),
            data_path: "192.0.2.1".parse().unwrap(),
            lease: NodeLease::default(),
            singles: Default::default(),
        };
        NetworkUpdate {
            full,
            info: info(network),
            put_peers: peers.iter().map(peer).collect(),
            remove_peers: Vec::new(),
            put_services: Vec::new(),
            remove_services: Vec::new(),
        }
    }

    fn peers(tables: &Tables, network: u128) -> Option<Vec<u128>> {
        Some(tables.get(Id::from_bits(network))?.peers.keys().map(|id| id.bits()).collect())
    }

    #[test]
    fn a_network_is_told_whole_first_and_then_what_is_different() {
        let mut tables = Tables::default();
        let told = |updates| Told { updates, ..Told::default() };
        tables.take(told(vec![update(1, true, &[7])])).unwrap();
        tables.take(told(vec![update(1, false, &[8])])).unwrap();
        assert_eq!(peers(&tables, 1), Some(vec![7, 8]));
        tables.take(told(vec![update(1, true, &[9])])).unwrap();
        assert_eq!(peers(&tables, 1), Some(vec![9]));
        tables.take(Told { remove: vec![Id::from_bits(1)], ..Told::default() }).unwrap();
        assert_eq!(peers(&tables, 1), None);
    }

    #[test]
    fn what_a_full_message_does_not_name_is_gone() {
        let mut tables = Tables::default();
        let all = |networks: &[u128]| Told {
            full: true,
            updates: networks.iter().map(|&network| update(network, true, &[])).collect(),
            remove: Vec::new(),
        };
        tables.take(all(&[1, 2])).unwrap();
        tables.take(all(&[2])).unwrap();
        assert_eq!(tables.iter().map(|(id, _)| id.bits()).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_change_of_something_unknown_changes_nothing() {
        let mut tables = Tables::default();
        let told = Told { updates: vec![update(1, true, &[]), update(2, false, &[])], ..Told::default() };
        assert_eq!(tables.take(told), Err(UnknownNetwork(Id::from_bits(2))));
        assert_eq!(tables, Tables::default());
    }

    #[test]
    fn a_full_message_tells_every_network_whole() {
        let mut tables = Tables::default();
        tables.take(Told { updates: vec![update(1, true, &[7])], ..Told::default() }).unwrap();
        let known = tables.clone();
        let told = Told { full: true, updates: vec![update(1, false, &[8])], remove: Vec::new() };
        assert_eq!(tables.take(told), Err(UnknownNetwork(Id::from_bits(1))));
        assert_eq!(tables, known);
    }
}
