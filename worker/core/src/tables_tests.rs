//! What becomes of tables as messages come.

use super::*;
use proto::model::{
    EndpointState, Id, Ipv4Pool, NetworkEndpoint, NetworkInfo, NetworkPeer, NetworkService, NodeLease,
    SlotKey,
};

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
        kind: Default::default(),
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

/// A service with one task, which serves or not.
fn service(number: u128, serving: bool) -> NetworkService {
    let state = if serving { EndpointState::Serving } else { EndpointState::Idle };
    let endpoint = NetworkEndpoint { slot: SlotKey::Replica(1), number: 9, node: Id::from_bits(7), state };
    NetworkService {
        id: Id::from_bits(number),
        name: format!("s{number}").parse().unwrap(),
        aliases: Default::default(),
        vip: None,
        ports: Vec::new(),
        endpoints: [(Id::from_bits(1), endpoint)].into(),
        by_hand: Default::default(),
    }
}

#[test]
fn what_is_told_again_changes_nothing_and_what_is_different_is_named() {
    let whole = |services: &[(u128, bool)], peers: &[u128]| {
        let mut front = update(1, true, peers);
        front.put_services = services.iter().map(|&(number, serving)| service(number, serving)).collect();
        Told { full: true, updates: vec![front, update(2, true, &[7])], remove: Vec::new() }
    };
    let mut tables = Tables::default();
    let (front, back) = (Id::from_bits(1), Id::from_bits(2));
    let peer = |number| Row::Peer(front, Id::from_bits(number));
    let row = |number| Row::Service(front, Id::from_bits(number));
    let rows = tables.take(whole(&[(1, true), (2, true)], &[7, 8])).unwrap();
    let others = [Row::Network(back), Row::Peer(back, Id::from_bits(7))];
    assert_eq!(rows, [&[Row::Network(front), peer(7), peer(8), row(1), row(2)], &others[..]].concat());

    let before = tables.clone();
    assert_eq!(tables.take(whole(&[(1, true), (2, true)], &[7, 8])).unwrap(), []);
    assert!(Arc::ptr_eq(tables.get(front).unwrap(), before.get(front).unwrap()));

    assert_eq!(
        tables.take(whole(&[(2, false), (3, true)], &[8])).unwrap(),
        [peer(7), row(2), row(3), row(1)]
    );
    assert!(Arc::ptr_eq(tables.get(back).unwrap(), before.get(back).unwrap()), "the other is untouched");
    let gone = tables.take(Told { full: true, ..Told::default() }).unwrap();
    assert_eq!(gone, [&[Row::Network(front), peer(8), row(2), row(3)], &others[..]].concat());
}
