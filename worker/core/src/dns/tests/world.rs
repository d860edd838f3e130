//! Small networks for the tests, and a shorter way to ask.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;

use proto::model::{
    EndpointState, Id, Ipv4Pool, Ipv6Pool, Name, NetworkEndpoint, NetworkInfo, NetworkService, NetworkTable,
    NodeId, PortProtocol, PublishedPort, SlotKey, TaskId,
};

use crate::dns::{Answer, Kind, Names, Question, Record, Zone};

pub(super) const NODE: NodeId = Id::from_bits(u128::MAX / 3);

pub(super) fn network(number: u8, name: &str, ipv6: bool) -> NetworkTable {
    let subnet = format!("10.0.{number}.0/24").parse().unwrap();
    let ipv6 = ipv6.then(|| Ipv6Pool {
        subnet: format!("fd00:{number}::/64").parse().unwrap(),
        gateway: format!("fd00:{number}::1").parse().unwrap(),
    });
    NetworkTable::new(NetworkInfo {
        id: Id::from_bits(u128::from(number)),
        name: name.parse().unwrap(),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: format!("10.0.{number}.1").parse().unwrap(), range: subnet },
        ipv6,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    })
}

pub(super) fn task(number: u32) -> TaskId {
    Id::from_bits(u128::from(number))
}

/// A service with replicas 1, 2, ... at these numbers.
pub(super) fn service(id: u128, name: &str, vip: Option<u32>, numbers: &[u32]) -> NetworkService {
    let endpoint = |(index, &number): (usize, &u32)| {
        let slot = SlotKey::Replica(index as u32 + 1);
        (task(number), NetworkEndpoint { slot, number, node: NODE, state: EndpointState::Serving })
    };
    NetworkService {
        id: Id::from_bits(id),
        name: name.parse().unwrap(),
        aliases: BTreeSet::new(),
        vip,
        ports: Vec::new(),
        endpoints: numbers.iter().enumerate().map(endpoint).collect(),
        by_hand: Default::default(),
    }
}

pub(super) fn with(mut table: NetworkTable, services: Vec<NetworkService>) -> NetworkTable {
    table.services = services.into_iter().map(|service| (service.id, service)).collect();
    table
}

pub(super) fn names(tables: &[NetworkTable]) -> Names {
    Names::new(tables.iter().map(|table| Arc::new(Zone::new(table))).collect())
}

pub(super) fn question(name: &str, kind: Kind) -> Question {
    Question::new(name.split('.').map(str::as_bytes), kind).unwrap()
}

pub(super) fn ask(names: &Names, name: &str, kind: Kind) -> Answer {
    names.answer(&question(name, kind), 0)
}

pub(super) fn addresses(of: &[&str]) -> Answer {
    Answer::Records(of.iter().map(|address| Record::Address(address.parse().unwrap())).collect())
}

/// `front` (IPv4 and IPv6): `Web` with a virtual address, `db` without one, a global `agent`.
pub(super) fn front() -> NetworkTable {
    let mut web = service(1, "Web", Some(100), &[20, 21]);
    web.aliases.insert("www".parse::<Name>().unwrap());
    let port = |number| NonZeroU16::new(number).unwrap();
    web.ports.push(PublishedPort::ingress(PortProtocol::Tcp, port(8080), port(80)));
    let mut agent = service(3, "agent", Some(102), &[40]);
    agent.endpoints.get_mut(&task(40)).unwrap().slot = SlotKey::Node(NODE);
    with(network(1, "front", true), vec![web, service(2, "db", None, &[30, 31, 32]), agent])
}
