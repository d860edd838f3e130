//! What the managers told of networks, so that a daemon that starts while they are away knows it.

use super::{Ledger, LedgerError, damaged, encode};
use manager_store::disk::{KeyRange, Op, Table};
use proto::model::{NetworkId, NetworkInfo, NetworkPeer, NetworkService, NetworkTable};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use worker_core::tables::{Row, Tables};

const NETWORKS: Table = Table::new("ledger.networks");
const PEERS: Table = Table::new("ledger.network-peers");
const SERVICES: Table = Table::new("ledger.network-services");
/// The row that says that the managers have told all there is. No network's id is like that.
const TOLD_KEY: &[u8] = b"told";

impl Ledger {
    /// What the managers told last, if they ever did.
    pub fn networks(&self) -> Result<Option<Tables>, LedgerError> {
        if self.disk.get(NETWORKS, TOLD_KEY).map_err(LedgerError::Read)?.is_none() {
            return Ok(None);
        }
        let mut tables = BTreeMap::new();
        for (key, value) in self.raw(NETWORKS)?.iter().filter(|(key, _)| key != TOLD_KEY) {
            let info: NetworkInfo = decode(NETWORKS, key, value)?;
            tables.insert(info.id, NetworkTable::new(info));
        }
        for (key, value) in &self.raw(PEERS)? {
            let peer: NetworkPeer = decode(PEERS, key, value)?;
            table_of(&mut tables, PEERS, key)?.peers.insert_mut(peer.node, peer);
        }
        for (key, value) in &self.raw(SERVICES)? {
            let service: NetworkService = decode(SERVICES, key, value)?;
            table_of(&mut tables, SERVICES, key)?.services.insert_mut(service.id, service);
        }
        Ok(Some(tables.into_values().collect()))
    }

    /// Records rows as the tables have them; those they do not have are struck out. All or none.
    pub fn keep_networks(
        &self,
        rows: impl IntoIterator<Item = Row>,
        tables: &Tables,
    ) -> Result<(), LedgerError> {
        let told = Op::put(NETWORKS, TOLD_KEY, b"".as_slice());
        self.write(rows.into_iter().map(|row| op(row, tables)).chain([told]).collect())
    }

    /// Forgets everything about networks, as if the managers had never told of any.
    pub fn forget_networks(&self) -> Result<(), LedgerError> {
        let tables = [NETWORKS, PEERS, SERVICES].into_iter();
        self.write(tables.map(|table| Op::remove_range(table, KeyRange::all())).collect())
    }
}

fn op(row: Row, tables: &Tables) -> Op {
    let network = tables.get(row.network());
    let (table, key, value) = match row {
        Row::Network(id) => (NETWORKS, id.to_string(), network.map(|network| encode(&network.info))),
        Row::Peer(id, node) => {
            (PEERS, format!("{id}/{node}"), network.and_then(|it| it.peers.get(&node)).map(encode))
        }
        Row::Service(id, service) => {
            let found = network.and_then(|network| network.services.get(&service));
            (SERVICES, format!("{id}/{service}"), found.map(encode))
        }
    };
    match value {
        Some(value) => Op::put(table, key, value),
        None => Op::remove(table, key),
    }
}

fn decode<T: DeserializeOwned>(table: Table, key: &[u8], value: &[u8]) -> Result<T, LedgerError> {
    serde_json::from_slice(value).map_err(|error| damaged(table, key, error))
}

/// The network that a row's key begins with.
fn table_of<'a>(
    tables: &'a mut BTreeMap<NetworkId, NetworkTable>,
    table: Table,
    key: &[u8],
) -> Result<&'a mut NetworkTable, LedgerError> {
    let text = String::from_utf8_lossy(key);
    let id = text.split('/').next().unwrap_or_default().parse();
    let id: NetworkId = id.map_err(|error| damaged(table, key, error))?;
    tables.get_mut(&id).ok_or_else(|| damaged(table, key, Unknown(id)))
}

#[derive(Debug, thiserror::Error)]
#[error("network {0} is not in the ledger")]
struct Unknown(NetworkId);

#[cfg(test)]
mod tests {
    use super::*;
    use manager_store::disk::{Disk, MemDisk};
    use proto::model::{Id, Ipv4Pool, NetworkUpdate, NodeLease};
    use std::sync::Arc;
    use worker_core::tables::Told;

    fn open(disk: &MemDisk) -> Ledger {
        Ledger::open(Arc::new(disk.clone())).unwrap()
    }

    /// A network with these nodes and services.
    fn told(network: u128, peers: &[u128], services: &[u128]) -> NetworkUpdate {
        let subnet = "10.5.0.0/24".parse().unwrap();
        let info = NetworkInfo {
            id: Id::from_bits(network),
            name: "front".parse().unwrap(),
            vni: 4096,
            ipv4: Ipv4Pool { subnet, gateway: "10.5.0.1".parse().unwrap(), range: subnet },
            ipv6: None,
            mtu: None,
            internal: false,
            ingress: false,
            kind: Default::default(),
        };
        let peer = |&number: &u128| NetworkPeer {
            node: Id::from_bits(number),
            data_path: "192.0.2.1".parse().unwrap(),
            lease: NodeLease::default(),
            singles: Default::default(),
        };
        let service = |&number: &u128| NetworkService {
            id: Id::from_bits(number),
            name: format!("s{number}").parse().unwrap(),
            aliases: Default::default(),
            vip: Some(number as u32),
            ports: Vec::new(),
            endpoints: Default::default(),
            by_hand: Default::default(),
        };
        NetworkUpdate {
            full: true,
            info,
            put_peers: peers.iter().map(peer).collect(),
            remove_peers: Vec::new(),
            put_services: services.iter().map(service).collect(),
            remove_services: Vec::new(),
        }
    }

    fn all(updates: Vec<NetworkUpdate>) -> Told {
        Told { full: true, updates, remove: Vec::new() }
    }

    #[test]
    fn what_was_told_is_read_back_whatever_changed_meanwhile() {
        let (disk, mut tables) = (MemDisk::new(), Tables::default());
        assert_eq!(open(&disk).networks().unwrap(), None, "an older version wrote this ledger, or nobody");
        for updates in [
            vec![told(1, &[7, 8], &[1, 2]), told(2, &[7], &[3])],
            vec![told(1, &[8], &[2, 4]), told(2, &[7], &[3])],
            vec![told(2, &[7], &[])],
            vec![],
        ] {
            let rows = tables.take(all(updates)).unwrap();
            open(&disk).keep_networks(rows, &tables).unwrap();
            assert_eq!(open(&disk).networks().unwrap(), Some(tables.clone()));
        }
    }

    #[test]
    fn only_rows_that_are_different_are_written() {
        let (disk, mut tables) = (MemDisk::new(), Tables::default());
        let rows = tables.take(all(vec![told(1, &[7], &[1, 2])])).unwrap();
        open(&disk).keep_networks(rows, &tables).unwrap();
        let key = format!("{}/{}", NetworkId::from_bits(1), NetworkId::from_bits(1));
        disk.batch(vec![Op::put(SERVICES, key.clone(), b"as it was".as_slice())]).unwrap();
        let rows = tables.take(all(vec![told(1, &[7], &[1, 3])])).unwrap();
        open(&disk).keep_networks(rows, &tables).unwrap();
        assert_eq!(disk.get(SERVICES, key.as_bytes()).unwrap(), Some(b"as it was".to_vec()));
        let error = open(&disk).networks().unwrap_err().to_string();
        assert!(error.contains(&key), "{error}");
    }

    #[test]
    fn what_is_forgotten_was_never_told() {
        let (disk, mut tables) = (MemDisk::new(), Tables::default());
        let rows = tables.take(all(vec![told(1, &[7], &[1])])).unwrap();
        open(&disk).keep_networks(rows, &tables).unwrap();
        open(&disk).forget_networks().unwrap();
        assert_eq!(open(&disk).networks().unwrap(), None);
        open(&disk).keep_networks([], &Tables::default()).unwrap();
        assert_eq!(open(&disk).networks().unwrap(), Some(Tables::default()));
    }
}
