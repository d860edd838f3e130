//! Placing compared with the slow and simple way: looking at every node for every task.

use super::{GIB, bench, per_node};
use crate::testing::{node, service};
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    /// What the tree and its ordered sets choose is what looking at every node for every task would.
    #[test]
    fn placing_agrees_with_trying_every_node(
        zones in prop::collection::vec((0u8..3, 0u8..2, 1u64..6), 1..7),
        rounds in prop::collection::vec((0usize..2, 1u32..6), 1..5),
    ) {
        let nodes = zones.iter().enumerate().map(|(n, (zone, rack, gib))| {
            let labelled = node(n as u32 + 1).label("zone", &zone.to_string()).label("rack", &rack.to_string());
            labelled.resources(4, gib * GIB)
        });
        let mut bench = bench(nodes);
        let services = [
            bench.create(service("a").replicas(0).memory(GIB).spread("zone").spread("rack")),
            bench.create(service("b").replicas(0).memory(GIB / 2)),
        ];
        let mut oracle = Oracle::new(&zones);
        for (which, more) in rounds {
            let before = bench.live(services[which]).len() as u32;
            bench.scale(services[which], before + more);
            bench.pass();
            // Tasks that found no place are waiting first in line, and find none now either.
            let waiting = bench.live(services[which]).iter().filter(|task| task.node.is_none()).count();
            let placed = bench.live(services[which]).len() - waiting;
            while oracle.counts(which).values().sum::<usize>() < placed {
                prop_assert!(oracle.place(which), "more tasks were placed than fit");
            }
            prop_assert!(waiting == 0 || !oracle.clone().place(which), "a task waits though there is room");
            prop_assert_eq!(per_node(&bench, services[which]), oracle.counts(which));
        }
    }
}

/// Places tasks of the two services by looking at every node for each of them.
#[derive(Clone)]
struct Oracle {
    nodes: Vec<OracleNode>,
}

#[derive(Clone)]
struct OracleNode {
    zone: u8,
    rack: u8,
    bytes: u64,
    free: u64,
    tasks: [usize; 2],
}

impl Oracle {
    fn new(zones: &[(u8, u8, u64)]) -> Self {
        let of = |&(zone, rack, gib): &(u8, u8, u64)| OracleNode {
            zone,
            rack,
            bytes: gib * GIB,
            free: gib * GIB,
            tasks: [0, 0],
        };
        Self { nodes: zones.iter().map(of).collect() }
    }

    fn counts(&self, which: usize) -> BTreeMap<u128, usize> {
        let numbered = (1..).zip(&self.nodes).map(|(n, node)| (n, node.tasks[which]));
        numbered.filter(|&(_, count)| count > 0).collect()
    }

    fn place(&mut self, which: usize) -> bool {
        let need = [GIB, GIB / 2][which];
        let sum = |matches: &dyn Fn(&OracleNode) -> bool| {
            self.nodes.iter().filter(|node| matches(node)).map(|node| node.tasks[which]).sum::<usize>()
        };
        let rank = |place: &usize| {
            let node = &self.nodes[*place];
            let branches = match which {
                0 => {
                    let of_zone = sum(&|other| other.zone == node.zone);
                    let of_rack = sum(&|other| (other.zone, other.rack) == (node.zone, node.rack));
                    (of_zone, node.zone, of_rack, node.rack)
                }
                _ => (0, 0, 0, 0),
            };
            let used = node.bytes - node.free;
            // The larger share free is the smaller share used; thousandths as the scheduler has them.
            let free = (u128::from(node.bytes - used) * 1000) / u128::from(node.bytes);
            (branches, node.tasks[which], node.tasks.iter().sum::<usize>(), std::cmp::Reverse(free), *place)
        };
        let fitting = (0..self.nodes.len()).filter(|&place| self.nodes[place].free >= need);
        let Some(best) = fitting.min_by_key(rank) else { return false };
        self.nodes[best].free -= need;
        self.nodes[best].tasks[which] += 1;
        true
    }
}
