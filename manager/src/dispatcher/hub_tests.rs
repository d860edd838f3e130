//! Which sessions the hub ends and wakes, and what it knows of nodes.

use super::*;
use futures::FutureExt;
use manager_core::testing::{Bench, network_spec, node, service};

const NODE: NodeId = NodeId::from_bits(1);
const PERIOD: Duration = Duration::from_secs(1);

fn opened(hub: &Hub, number: u64) -> Seat {
    hub.open(NODE, number, mpsc::channel(1).0, Timestamp(0))
}

fn has_changed(hub: &Hub) -> bool {
    hub.changed().now_or_never().is_some()
}

#[test]
fn a_node_that_calls_again_has_its_old_session_ended_and_keeps_the_new_one() {
    let hub = Hub::default();
    let (old, new) = (opened(&hub, 1), opened(&hub, 2));
    assert!(old.dismissed.is_cancelled() && !new.dismissed.is_cancelled());
    // The old one notices late.
    hub.close(NODE, 1, Timestamp(5));
    assert_eq!(hub.outbound(NODE).map(|(number, _)| number), Some(2));
    assert!(hub.contacts()[&NODE].connected);
}

#[test]
fn a_connection_that_breaks_wakes_the_decisions_and_is_the_last_sign_of_life() {
    let hub = Hub::default();
    opened(&hub, 1);
    assert!(has_changed(&hub) && !has_changed(&hub));
    hub.close(NODE, 1, Timestamp(700));
    assert!(has_changed(&hub));
    let last = liveness::Contact { last_heard: Some(Timestamp(700)), connected: false, goodbye: false };
    assert_eq!(hub.contacts()[&NODE], last);
}

#[test]
fn a_node_that_counts_as_down_is_looked_at_again_when_it_speaks_in_its_old_session() {
    let hub = Hub::default();
    opened(&hub, 1);
    assert!(has_changed(&hub));
    hub.heard(NODE, Timestamp(1000), PERIOD);
    assert!(!has_changed(&hub), "a heartbeat in time changes nothing");
    hub.heard(NODE, Timestamp(5000), PERIOD);
    assert!(has_changed(&hub));
}

#[test]
fn a_goodbye_lasts_until_the_node_is_back() {
    let hub = Hub::default();
    opened(&hub, 1);
    hub.goodbye(NODE);
    hub.close(NODE, 1, Timestamp(1));
    assert!(hub.contacts()[&NODE].goodbye);
    opened(&hub, 2);
    assert!(!hub.contacts()[&NODE].goodbye);
}

#[test]
fn a_node_that_left_is_not_known_until_it_stays_or_calls_again() {
    let hub = Hub::default();
    opened(&hub, 1);
    hub.leave(NODE);
    assert!(hub.contacts().is_empty());
    hub.stay(NODE);
    assert!(hub.contacts().contains_key(&NODE));
}

#[test]
fn the_nodes_of_a_network_are_woken_when_a_task_in_it_changes_on_another_one() {
    let mut bench = Bench::new();
    let ids = [1, 2, 3].map(|n| bench.add(node(n)));
    let front = bench.add_network(network_spec("front"));
    let web = bench.create(service("web").replicas(2).max_per_node(1).network(front));
    bench.settle();
    let hub = Hub::default();
    hub.tables(&bench.state, Timestamp(0));
    let seats = ids.map(|id| hub.open(id, 1, mpsc::channel(1).0, Timestamp(0)));
    bench.fail_one(web);
    let tables = hub.tables(&bench.state, Timestamp(0));
    let inside: Vec<bool> = ids.iter().map(|&id| tables.of_node(id).count() > 0).collect();
    let woken: Vec<bool> = seats.iter().map(|seat| seat.wake.notified().now_or_never().is_some()).collect();
    assert_eq!((inside.iter().filter(|it| **it).count(), woken), (2, inside));
}

#[test]
fn a_new_leadership_begins_without_sessions() {
    let hub = Hub::default();
    let seat = opened(&hub, 1);
    hub.clear();
    assert!(seat.dismissed.is_cancelled() && hub.contacts().is_empty());
    // What the old session still does must not bring it back.
    hub.heard(NODE, Timestamp(1), PERIOD);
    hub.close(NODE, 1, Timestamp(1));
    assert!(hub.contacts().is_empty());
}
