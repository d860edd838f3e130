//! Single tasks that are connected and disconnected.

use super::*;
use crate::{
    networks::Tables,
    state::Holder,
    testing::{Bench, network_in, network_spec, node, service},
};
use proto::model::{Macvlan, MacvlanMode, NetworkId, NetworkKind, NetworkSpec, ServiceId};
use std::sync::Arc;

fn attachable(name: &str, subnet: &str) -> NetworkSpec {
    NetworkSpec { attachable: true, ..network_in(name, subnet) }
}

/// A cluster with a service that is in no network, and an attachable one.
fn bench() -> (Bench, ServiceId, NetworkId) {
    let mut bench = Bench::new();
    bench.add(node(1));
    let back = bench.add_network(attachable("back", "10.9.0.0/24"));
    let web = bench.create(service("web"));
    bench.settle();
    (bench, web, back)
}

fn task(bench: &Bench, service: ServiceId) -> Arc<Task> {
    bench.live(service)[0].clone()
}

fn connecting(bench: &Bench, service: ServiceId, network: NetworkId) -> Result<Transaction, ConnectionError> {
    let network = bench.state.network(network).unwrap();
    connect(&bench.state, &task(bench, service), network, BTreeSet::from(["www".parse().unwrap()]))
}

fn disconnecting(
    bench: &Bench,
    service: ServiceId,
    network: NetworkId,
    force: bool,
) -> Result<Transaction, ConnectionError> {
    disconnect(&task(bench, service), bench.state.network(network).unwrap(), force)
}

fn held_by_tasks(bench: &Bench, network: NetworkId) -> usize {
    bench.state.held_in(network).filter(|(_, holder)| matches!(holder, Holder::Task(_))).count()
}

#[test]
fn a_task_that_is_connected_has_an_address_until_its_node_has_disconnected_it() {
    let (mut bench, web, back) = bench();
    bench.apply(&connecting(&bench, web, back).unwrap());
    let connected = task(&bench, web);
    assert_eq!((connected.addresses.len(), held_by_tasks(&bench, back)), (1, 1));
    assert!(bench.state.network(back).unwrap().nodes.contains_key(&connected.node.unwrap()));
    bench.settle();
    let carried_out = task(&bench, web);
    assert_eq!((carried_out.id, carried_out.status.connections_version), (connected.id, connected.version));

    bench.apply(&disconnecting(&bench, web, back, false).unwrap());
    assert_eq!(held_by_tasks(&bench, back), 1, "its node has not done so yet");
    let again = disconnecting(&bench, web, back, false);
    assert!(matches!(again, Err(ConnectionError::Leaving { .. })), "{again:?}");
    bench.settle();
    let left = task(&bench, web);
    assert_eq!((left.addresses.len(), left.connections.len(), left.id), (0, 0, connected.id));
    assert_eq!(bench.state.held_in(back).count(), 0, "the node has left as well");
}

#[test]
fn a_late_report_does_not_free_an_address_that_is_still_in_use() {
    let (mut bench, web, back) = bench();
    bench.apply(&connecting(&bench, web, back).unwrap());
    bench.settle();
    let before = task(&bench, web).status.clone();
    bench.apply(&disconnecting(&bench, web, back, false).unwrap());
    let id = task(&bench, web).id;
    bench.change(Change::ReportStatus { task: id, status: before });
    assert_eq!(held_by_tasks(&bench, back), 1);
}

#[test]
fn what_a_connected_task_holds_goes_with_it() {
    let (mut bench, web, back) = bench();
    bench.apply(&connecting(&bench, web, back).unwrap());
    bench.settle();
    bench.remove(web);
    bench.settle();
    assert_eq!(bench.state.held_in(back).count(), 0);
}

#[test]
fn a_forced_disconnection_frees_the_address_of_a_task_whose_node_is_silent() {
    let (mut bench, web, back) = bench();
    bench.apply(&connecting(&bench, web, back).unwrap());
    bench.apply(&disconnecting(&bench, web, back, false).unwrap());
    bench.apply(&disconnecting(&bench, web, back, true).unwrap());
    assert_eq!(held_by_tasks(&bench, back), 0);
    bench.settle();
    assert_eq!(task(&bench, web).connections, vec![], "its node has left all the same");
}

#[test]
fn its_service_is_told_to_the_network_without_its_name() {
    let (mut bench, web, back) = bench();
    bench.apply(&connecting(&bench, web, back).unwrap());
    bench.settle();
    let (node, task) = (task(&bench, web).node.unwrap(), task(&bench, web));
    let by_hand = |bench: &Bench| {
        let tables = bench.tables();
        let told: Vec<_> = tables.of_node(node).map(|(_, table)| table.in_full(node)).collect();
        let services = told.into_iter().flat_map(|update| update.put_services);
        services.flat_map(|service| service.by_hand).collect::<Vec<_>>()
    };
    assert_eq!(by_hand(&bench), [(task.id, BTreeSet::from(["www".parse().unwrap()]))]);
    bench.apply(&disconnecting(&bench, web, back, false).unwrap());
    assert_eq!(by_hand(&bench), [], "nobody is to find it any more");
}

#[test]
fn what_can_not_be_connected_is_refused_with_what_would_be_right() {
    let (mut bench, web, back) = bench();
    let said = |bench: &Bench, network| connecting(bench, web, network).unwrap_err().to_string();
    let closed = bench.add_network(network_spec("closed"));
    let ingress = crate::networks::ingress(&bench.state).unwrap().id;
    let tiny = bench.add_network(attachable("tiny", "10.8.0.0/29"));
    assert!(said(&bench, closed).contains("create the network with --attachable"));
    assert!(said(&bench, ingress).contains("publish a port instead"));
    let full = bench.create(service("full").replicas(3).network(tiny));
    bench.settle();
    assert!(
        said(&bench, tiny).starts_with("network tiny has no free address (5 of 5 used)"),
        "{}",
        said(&bench, tiny)
    );
    let by_service = disconnecting(&bench, full, tiny, false).unwrap_err().to_string();
    assert!(by_service.contains("disconnect the service `full`"), "{by_service}");
    let not_in = disconnecting(&bench, web, back, true).unwrap_err().to_string();
    assert!(not_in.ends_with("is not in network `back`"), "{not_in}");
    bench.apply(&connecting(&bench, web, back).unwrap());
    assert!(said(&bench, back).ends_with("is in network `back` already"));
    bench.report(&task(&bench, web), TaskState::Failed);
    let ended = connecting(&bench, web, closed);
    assert!(matches!(ended, Err(ConnectionError::NotAttachable(_))), "{ended:?}");
}

#[test]
fn a_network_on_a_link_of_the_nodes_is_for_services_only() {
    let (mut bench, web, _) = bench();
    let macvlan = Macvlan { parent: "eth1".parse().unwrap(), mode: MacvlanMode::Bridge };
    let spec = NetworkSpec { kind: NetworkKind::Macvlan(macvlan), ..attachable("lan", "192.0.2.0/24") };
    let lan = bench.add_network(spec);
    assert_eq!(connecting(&bench, web, lan), Err(ConnectionError::OnLink("lan".into())));
}

#[test]
fn the_node_of_a_connected_task_takes_part_in_a_bridge_network_until_it_has_disconnected_it() {
    let (mut bench, web, _) = bench();
    let spec = NetworkSpec { kind: NetworkKind::Bridge, ..attachable("local", "10.8.0.0/24") };
    let local = bench.add_network(spec);
    let node = task(&bench, web).node.unwrap();
    let mut tables = Tables::default();
    let mut takes_part = |bench: &Bench| {
        tables = tables.next(&bench.state);
        tables.of_node(node).any(|(id, _)| id == local)
    };
    assert!(!takes_part(&bench));
    bench.apply(&connecting(&bench, web, local).unwrap());
    assert!(takes_part(&bench));
    bench.apply(&disconnecting(&bench, web, local, false).unwrap());
    assert!(takes_part(&bench), "its node has not done so yet");
    bench.settle();
    assert!(!takes_part(&bench));
}
