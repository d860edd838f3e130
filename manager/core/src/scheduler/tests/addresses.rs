//! The addresses that tasks get with their node.

use super::{bench, per_node, said};
use crate::testing::{network_in, node, service};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_task_gets_an_address_in_each_of_its_networks_in_their_order() {
    let mut bench = bench([node(1)]);
    let back = bench.add_network(network_in("back", "10.2.0.0/24"));
    let front = bench.add_network(network_in("front", "10.1.0.0/24"));
    let web = bench.create(service("web").network(front).network(back));
    bench.pass();
    let task = bench.live(web)[0].clone();
    let addresses: Vec<_> = task.addresses.iter().map(|it| (it.network, it.number)).collect();
    assert_eq!(addresses, [(front, 3), (back, 3)]);
}

#[test]
fn when_there_is_no_address_left_that_is_what_is_said_with_numbers() {
    let mut bench = bench([node(1)]);
    let tiny = bench.add_network(network_in("tiny", "10.2.0.0/29"));
    let web = bench.create(service("web").replicas(5).network(tiny));
    bench.settle();
    assert!(
        said(&bench, "web")
            .starts_with("network tiny has no free address (5 of 5 used): create a larger one"),
        "{}",
        said(&bench, "web")
    );
    assert_eq!(per_node(&bench, web), BTreeMap::from([(1, 3)]));
    bench.scale(web, 3);
    bench.settle();
    assert_eq!(bench.state.held_in(tiny).count(), 5);
}

#[test]
fn the_last_address_goes_to_a_node_that_takes_part_already() {
    // Of the five addresses two are for routers and one is virtual, once both nodes take part.
    let mut bench = bench([node(1)]);
    let tiny = bench.add_network(network_in("tiny", "10.2.0.0/29"));
    let web = bench.create(service("web").replicas(2).network(tiny));
    bench.settle();
    bench.add(node(2));
    bench.scale(web, 3);
    bench.settle();
    assert_eq!(per_node(&bench, web), BTreeMap::from([(1, 3)]), "the second node would need two");
}

#[test]
fn a_node_that_would_have_to_be_taken_in_does_not_fit_if_one_address_is_left() {
    let mut bench = bench([node(1), node(2)]);
    let tiny = bench.add_network(network_in("tiny", "10.2.0.0/29"));
    let at = |n: u32| format!("node.hostname==node-{n}");
    bench.create(service("web").replicas(2).constraint(&at(1)).dnsrr().network(tiny));
    bench.create(service("db").constraint(&at(1)).dnsrr().network(tiny));
    bench.settle();
    bench.create(service("other").constraint(&at(2)).dnsrr().network(tiny));
    bench.settle();
    assert_eq!(
        said(&bench, "other"),
        "no suitable node (0 of 2 nodes: 1 lacks node.hostname==node-2; 1 takes no part in network tiny, which has only 1 free address left)"
    );
}

#[test]
fn a_task_that_replaces_another_does_not_get_its_address_at_once() {
    let mut bench = bench([node(1)]);
    let front = bench.add_network(network_in("front", "10.1.0.0/24"));
    let web = bench.create(service("web").network(front));
    bench.settle();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        assert!(seen.insert(bench.live(web)[0].addresses[0].number));
        bench.fail_one(web);
        bench.settle();
    }
}
