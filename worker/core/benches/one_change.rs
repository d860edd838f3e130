//! What one task's change costs a node, by the size of its network: tables, names, and those of 50 containers.
//!
//! `cargo bench -p worker-core`. The cost must not grow with the network but for the depth of its trees.

// The clock is what this is about; the rules of the core are for the core.
#![allow(clippy::disallowed_types)]

use proto::model::{
    EndpointState, Id, Ipv4Pool, NetworkEndpoint, NetworkId, NetworkInfo, NetworkService, NetworkUpdate,
    SlotKey,
};
use std::hint::black_box;
use std::time::{Duration, Instant};
use worker_core::dns::{Names, Zones};
use worker_core::tables::{Tables, Told};

const CHANGES: u32 = 2000;
const TASKS: u32 = 5;
const CONTAINERS: usize = 50;
const NETWORK: NetworkId = Id::from_bits(1);

fn info() -> NetworkInfo {
    let subnet = "10.0.0.0/16".parse().expect("a subnet");
    NetworkInfo {
        id: NETWORK,
        name: "front".parse().expect("a name"),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: "10.0.0.1".parse().expect("an address"), range: subnet },
        ipv6: None,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    }
}

/// A service with tasks, of which the first serves or not.
fn service(index: u32, serving: bool) -> NetworkService {
    let endpoint = |task: u32| NetworkEndpoint {
        slot: SlotKey::Replica(task + 1),
        number: 10 + index * TASKS + task,
        node: Id::from_bits(u128::from(index % 100)),
        state: if serving || task > 0 { EndpointState::Serving } else { EndpointState::Idle },
    };
    let id = |task| Id::from_bits(u128::from(1 + index * TASKS + task));
    NetworkService {
        id: Id::from_bits(u128::from(index)),
        name: format!("service{index}").parse().expect("a name"),
        aliases: Default::default(),
        vip: Some(50_000 + index),
        ports: Vec::new(),
        endpoints: (0..TASKS).map(|task| (id(task), endpoint(task))).collect(),
        by_hand: Default::default(),
    }
}

fn told(full: bool, services: Vec<NetworkService>) -> Told {
    let update = NetworkUpdate {
        full,
        info: info(),
        put_peers: Vec::new(),
        remove_peers: Vec::new(),
        put_services: services,
        remove_services: Vec::new(),
    };
    Told { full, updates: vec![update], remove: Vec::new() }
}

/// Tells a node one change after another, and hands each on to its containers.
fn one_change(services: u32) -> Duration {
    let mut tables = Tables::default();
    let all = (0..services).map(|index| service(index, true)).collect();
    tables.take(told(true, all)).expect("told whole");
    let mut zones = Zones::of(&tables);
    let mut containers: Vec<Names> = vec![zones.of_container(&[NETWORK], true); CONTAINERS];
    let changes: Vec<Told> = (0..CHANGES)
        .map(|change| told(false, vec![service(change % services, change / services % 2 == 1)]))
        .collect();
    let begin = Instant::now();
    for change in changes {
        // Whoever carries the tables out, or answers from the names, holds what was before.
        let before = (tables.clone(), zones.clone());
        let rows = tables.take(change).expect("the network is known");
        assert_eq!(rows.len(), 1, "each of them changes something");
        zones.update(&tables, &rows);
        for names in &mut containers {
            let now = zones.of_container(&[NETWORK], true);
            if !now.are(names) {
                *names = now;
            }
        }
        black_box(before);
    }
    begin.elapsed() / CHANGES
}

fn main() {
    println!("one task's change, {TASKS} tasks each, {CONTAINERS} containers:");
    for services in [20, 200, 2000] {
        println!("  {services:5} services: {:8.2} us", one_change(services).as_secs_f64() * 1e6);
    }
}
