//! What is in the tables, what is shared with those before, and whom that concerns.

use super::*;
use crate::testing::{Bench, macvlan_in, network_spec, node, service};
use proto::model::{NetworkKind, NetworkSpec};

/// A cluster of two nodes whose service is in a network, and its tables.
fn bench() -> (Bench, NetworkId, ServiceId, Tables) {
    let mut bench = Bench::new();
    bench.add(node(1));
    bench.add(node(2));
    let front = bench.add_network(network_spec("front"));
    let web = bench.create(service("web").replicas(2).network(front));
    bench.settle();
    let tables = Tables::default().next(&bench.state);
    (bench, front, web, tables)
}

fn serving(tables: &Tables, network: NetworkId, service: ServiceId) -> Vec<bool> {
    tables.networks[&network].services[&service].endpoints.values().map(NetworkEndpoint::serves).collect()
}

#[test]
fn a_service_that_leaves_a_network_is_known_there_until_its_last_task_there_has_ended() {
    let (mut bench, front, web, tables) = bench();
    bench.update(web, |spec| spec.task.attachments.clear());
    bench.pass();
    let tables = tables.next(&bench.state);
    assert_eq!(tables.networks[&front].services[&web].endpoints.len(), 2);
    bench.settle();
    assert!(tables.next(&bench.state).networks.is_empty());
}

#[test]
fn a_table_has_the_nodes_that_take_part_and_where_the_services_tasks_are() {
    let (bench, front, web, tables) = bench();
    let table = &tables.networks[&front];
    let numbers: Vec<u32> = table.peers.values().map(|peer| peer.lease.number).collect();
    assert_eq!(numbers, [2, 16]);
    let entry = &table.services[&web];
    assert_eq!((entry.vip, entry.ports.len()), (Some(254), 0));
    for task in bench.live(web) {
        let found = &entry.endpoints[&task.id];
        assert_eq!((Some(found.node), found.number), (task.node, task.addresses[0].number));
        assert!(found.serves());
    }
}

#[test]
fn tasks_that_do_not_run_and_those_of_a_node_that_is_down_do_not_serve() {
    let (mut bench, front, web, tables) = bench();
    assert_eq!(serving(&tables, front, web), [true, true]);
    let id = bench.live(web)[0].node.unwrap();
    bench.edit_node(id, |node| node.status.state = NodeState::Down);
    let tables = tables.next(&bench.state);
    assert_eq!(serving(&tables, front, web).into_iter().filter(|it| *it).count(), 1);
    bench.create(service("db").image("missing").network(front));
    bench.pass();
    let db = bench.state.service_named(&"db".parse().unwrap()).unwrap().id;
    assert_eq!(serving(&tables.next(&bench.state), front, db), [false]);
}

#[test]
fn what_is_the_same_is_shared_with_the_tables_before() {
    let (mut bench, front, _, tables) = bench();
    let back = bench.add_network(network_spec("back"));
    bench.create(service("db").network(back));
    bench.settle();
    let next = tables.next(&bench.state);
    assert!(Arc::ptr_eq(&tables.networks[&front], &next.networks[&front]));
    let nodes: BTreeSet<NodeId> = bench.state.network(back).unwrap().nodes.keys().copied().collect();
    assert_eq!(next.concerned(&tables), nodes);
    assert_eq!(next.concerned(&next), BTreeSet::new());
}

#[test]
fn a_node_outside_of_every_network_knows_of_none() {
    let (mut bench, ..) = bench();
    let third = bench.add(node(3));
    bench.settle();
    assert_eq!(Tables::default().next(&bench.state).of_node(third).count(), 0);
}

#[test]
fn every_network_of_a_service_tells_its_ports_so_that_names_can() {
    let mut bench = Bench::new();
    let ids = [1, 2].map(|n| bench.add(node(n)));
    let front = bench.add_network(network_spec("front"));
    let web = bench.create(service("web").network(front).host_port(81).ingress_port(80));
    bench.settle();
    let tables = Tables::default().next(&bench.state);
    let (told, published) = (&tables.networks[&front].services[&web].ports, &bench.service(web).spec.ports);
    assert_eq!((told, told.len()), (published, 2));
    let (_, ingress) = tables.of_node(ids[0]).find(|(id, _)| *id != front).unwrap();
    assert_eq!(ingress.services[&web].ports.iter().map(|it| it.target.get()).collect::<Vec<_>>(), [80]);
}

#[test]
fn the_ingress_network_has_the_ports_that_are_published_there() {
    let mut bench = Bench::new();
    let ids = [1, 2].map(|n| bench.add(node(n)));
    let web = bench.create(service("web").ingress_port(80).chosen_port(81));
    bench.settle();
    let tables = Tables::default().next(&bench.state);
    for id in ids {
        let (_, table) = tables.of_node(id).next().unwrap();
        let published = table.services[&web].ports.iter().filter_map(|port| port.published);
        assert_eq!(published.map(u16::from).collect::<Vec<_>>(), [80, 30_000]);
        assert_eq!((table.peers.len(), table.services[&web].endpoints.len()), (2, 1));
    }
}

#[test]
fn in_a_network_on_the_nodes_link_tasks_have_numbers_and_nodes_hold_nothing() {
    let mut bench = Bench::new();
    let ids = [1, 2].map(|n| bench.add(node(n).data_path(&format!("192.0.2.{}", n + 1))));
    let lan = bench.add_network(macvlan_in("lan", "192.0.2.0/29"));
    // Of 8 addresses two have a meaning, one is the gateway's and two are the nodes' own.
    let web = bench.create(service("web").replicas(4).network(lan));
    bench.settle();
    let mut numbers: Vec<u32> =
        bench.live(web).iter().flat_map(|task| &task.addresses).map(|it| it.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [4, 5, 6]);
    assert!(bench.state.network(lan).unwrap().nodes.is_empty());
    assert!(bench.service(web).vips.is_empty(), "the name is answered with the tasks' own addresses");
    let tables = Tables::default().next(&bench.state);
    for id in ids {
        let (_, table) = tables.of_node(id).next().unwrap();
        let told = table.in_full(id);
        assert_eq!(told.put_peers.iter().map(|peer| peer.node).collect::<Vec<_>>(), [id]);
        assert_eq!(told.put_services[0].endpoints.len(), 3, "the names of all");
    }
    bench.remove(web);
    bench.settle();
    assert!(tables.next(&bench.state).of_nodes.is_empty());
    assert_eq!(bench.state.held_in(lan).count(), 0);
}

#[test]
fn of_a_network_that_each_node_has_for_itself_a_node_knows_its_own_tasks_only() {
    let mut bench = Bench::new();
    let ids = [1, 2].map(|n| bench.add(node(n)));
    let spec = NetworkSpec { kind: NetworkKind::Bridge, ..network_spec("local") };
    let local = bench.add_network(spec);
    let web = bench.create(service("web").replicas(2).network(local));
    bench.settle();
    assert_eq!(bench.service(web).vips.len(), 1);
    let tables = Tables::default().next(&bench.state);
    for id in ids {
        let (_, table) = tables.of_node(id).next().unwrap();
        let told = table.in_full(id);
        assert_eq!((told.put_peers.len(), told.put_peers[0].lease.number), (1, 1));
        let nodes: Vec<NodeId> = told.put_services[0].endpoints.values().map(|it| it.node).collect();
        assert_eq!(nodes, [id]);
        assert_eq!(table.since(table, id).put_services.len(), 0);
    }
}
