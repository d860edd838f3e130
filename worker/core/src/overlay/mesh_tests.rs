//! The ingress network by example: its sandbox, its gate on the host, its containers; the nft text as golden files.

use std::net::{IpAddr, SocketAddr};

use proto::model::{NetworkTable, PortTraffic};

use super::diff::{Step, diff};
use super::gate::Gate;
use super::inside;
use super::mesh::ANSWERS_MAC;
use super::names::Interface;
use super::sample::{containers, desired_mesh, elements_of, looked_for, node, publish, service, table};
use super::state::{Desired, Tunnel};
use crate::network::{Flow, Ipv4Subnet, Ipv6Subnet, NodeShort, PortKey, Protocol, Sought, Subnets};

macro_rules! assert_golden {
    ($name:literal, $text:expr) => {
        assert_eq!($text, include_str!(concat!("golden/", $name)), "{} differs", $name)
    };
}

/// A service publishes through the network, and is on nodes 1 and 2.
fn published(ipv6: bool) -> NetworkTable {
    let mut table = table(ipv6);
    table.change_services(|service| service.vip = None);
    let mut web = service(1, 200, &[(17, 1, true), (33, 2, true)]);
    publish(&mut web);
    table.services.insert_mut(web.id, web);
    table
}

fn serving(endpoints: &[(u32, u8, bool)]) -> Desired {
    let mut table = published(false);
    let mut web = service(1, 200, endpoints);
    publish(&mut web);
    table.services.insert_mut(web.id, web);
    desired_mesh(&table, &containers(&[]))
}

fn gate(desired: &Desired, ipv6: bool) -> Gate {
    let subnets = Subnets { ipv4: Ipv4Subnet::default(), ipv6: ipv6.then(Ipv6Subnet::default) };
    Gate::to(&desired.rules, NodeShort::of("ab12cd34").unwrap(), &subnets).unwrap()
}

#[test]
fn the_table_publishes_ports_and_sends_answers_back_through_the_node_the_client_came_in_at() {
    assert_golden!("mesh.nft", desired_mesh(&published(true), &containers(&[17])).rules.script());
}

#[test]
fn a_change_of_tasks_and_nodes_touches_their_elements_only() {
    let before = desired_mesh(&published(false), &containers(&[]));
    let mut table = published(false);
    let mut web = service(1, 200, &[(17, 1, true)]);
    publish(&mut web);
    table.services.insert_mut(web.id, web);
    table.peers.remove_mut(&node(3));
    let after = desired_mesh(&table, &containers(&[]));
    assert_golden!("mesh_change.nft", elements_of(before.rules.change(&after.rules)));
    assert_eq!(after.rules.change(&after.rules), None);
}

#[test]
fn the_gate_hands_published_ports_over_and_lets_nothing_else_pass() {
    let desired = desired_mesh(&published(true), &containers(&[]));
    assert_golden!("gate.nft", gate(&desired, true).script());
}

#[test]
fn a_gate_of_a_network_without_ipv6_does_not_mention_it() {
    let gate = gate(&desired_mesh(&published(false), &containers(&[])), true).script();
    assert!(!gate.contains("ip6"), "{gate}");
}

#[test]
fn a_change_of_ports_touches_their_elements_of_the_gate_only() {
    let before = gate(&desired_mesh(&published(false), &containers(&[])), false);
    let mut table = published(false);
    table.change_services(|service| service.ports.truncate(1));
    let after = gate(&desired_mesh(&table, &containers(&[])), false);
    let added = "add element inet shoal-ab12cd34-mesh published { udp . 53 }\n";
    assert_eq!(before.change(&after).unwrap(), added.to_owned() + &added.replace("add", "delete"));
    assert_eq!(after.change(&before).unwrap(), added);
    assert_eq!(after.change(&after), None);
}

#[test]
fn a_port_of_some_addresses_is_handed_over_there_only() {
    let mut table = published(true);
    for (host_ip, nth) in [("10.0.0.0/24", 0), ("fd00::5", 1)] {
        table.change_services(|service| {
            if let Some(port) = service.ports.get_mut(nth) {
                port.host_ip = Some(host_ip.parse().unwrap());
            }
        });
    }
    let desired = desired_mesh(&table, &containers(&[]));
    let (everywhere, somewhere) =
        (gate(&desired_mesh(&published(true), &containers(&[])), true), gate(&desired, true));
    assert_eq!(
        everywhere.change(&somewhere).unwrap(),
        "\
add element inet shoal-ab12cd34-mesh published { tcp . 80 }
delete element inet shoal-ab12cd34-mesh published { tcp . 80 }
add element inet shoal-ab12cd34-mesh published { udp . 53 }
delete element inet shoal-ab12cd34-mesh published { udp . 53 }
add element inet shoal-ab12cd34-mesh published_at4 { 10.0.0.0/24 . tcp . 80 }
add element inet shoal-ab12cd34-mesh published_at6 { fd00::5/128 . udp . 53 }
"
    );
    let rules = |table: &NetworkTable| desired_mesh(table, &containers(&[])).rules.script();
    assert_eq!(rules(&table), rules(&published(true)), "the sandbox does not care");
}

#[test]
fn a_node_sends_to_its_own_tasks_first_if_asked_and_connections_elsewhere_stay() {
    let desired = |endpoints: &[(u32, u8, bool)], traffic: PortTraffic| {
        let mut table = published(false);
        let mut web = service(1, 200, endpoints);
        publish(&mut web);
        web.ports[0].traffic = traffic;
        table.services.insert_mut(web.id, web);
        desired_mesh(&table, &containers(&[]))
    };
    let backends = |desired: &Desired, port: u16| -> Vec<String> {
        let ports = &desired.rules.mesh.as_ref().unwrap().ports;
        let mut found = ports.iter().filter(|(key, _)| key.port.get() == port);
        let (_, to) = found.next().unwrap();
        to.backends.iter().map(ToString::to_string).collect()
    };
    let own_and_others = [(17, 1, true), (33, 2, true)];
    let first = desired(&own_and_others, PortTraffic::LocalFirst);
    assert_eq!(backends(&first, 80), ["10.0.1.17:8080"]);
    assert_eq!(backends(&first, 53).len(), 2, "the other port was not asked for");
    assert_eq!(backends(&desired(&own_and_others, PortTraffic::Cluster), 80).len(), 2);
    let others = desired(&[(17, 1, false), (33, 2, true)], PortTraffic::LocalFirst);
    assert_eq!(backends(&others, 80), ["10.0.1.33:8080"]);
    let steps = diff(&others.kernel, Some(&others.rules), &first);
    assert!(!steps.iter().any(|step| matches!(step, Step::ForgetStaleFlows(_))), "{steps:?}");
    let end = first.rules.mesh.as_ref().unwrap().uplink.sandbox_ipv4();
    let (destination, answerer) = (SocketAddr::new(end.into(), 80), "10.0.1.33:8080".parse().unwrap());
    assert!(!Flow { protocol: Some(Protocol::Tcp), destination, answerer }.is_stale(&first.rules));
}

#[test]
fn a_containers_table_leads_clients_to_the_address_programs_answer_from() {
    let pairs = [("10.0.1.17", "172.30.0.2"), ("fd00:1::11", "fd73:686f:616c:ffff::2")];
    let pairs = pairs.map(|(at, own)| (at.parse::<IpAddr>().unwrap(), own.parse::<IpAddr>().unwrap()));
    assert_golden!("inside.nft", inside::script(Interface(1), &pairs));
}

#[test]
fn answers_have_a_router_that_no_tunnel_receives_for() {
    let kernel = desired_mesh(&published(true), &containers(&[])).kernel;
    assert_eq!(kernel.answers.len(), 2);
    assert!(kernel.answers.iter().all(|router| kernel.neighbours[router] == ANSWERS_MAC));
    assert!(!kernel.forwarding.contains_key(&ANSWERS_MAC));
}

#[test]
fn a_new_tunnel_takes_the_whole_of_the_rules_along() {
    let desired = desired_mesh(&published(false), &containers(&[]));
    let mut kernel = desired.kernel.clone();
    kernel.tunnel = kernel.tunnel.map(|tunnel| Tunnel { vni: 1, ..tunnel });
    let steps = diff(&kernel, Some(&desired.rules), &desired);
    assert!(steps.contains(&Step::Load(desired.rules.script())), "{steps:?}");
}

#[test]
fn connections_are_stale_when_their_socket_serves_no_more_or_their_refusal_is_outdated() {
    let (both, none) = (serving(&[(17, 1, true), (33, 2, true)]), serving(&[]));
    let end = both.rules.mesh.as_ref().unwrap().uplink.sandbox_ipv4().to_string();
    let is_stale = |desired: &Desired, port: u16, answerer: &str| {
        let destination: SocketAddr = format!("{end}:{port}").parse().unwrap();
        let answerer = answerer.replace("end", &end).parse().unwrap();
        Flow { protocol: Some(Protocol::Tcp), destination, answerer }.is_stale(&desired.rules)
    };
    assert!(!is_stale(&both, 80, "10.0.1.33:8080"), "goes to a backend");
    assert!(is_stale(&both, 80, "10.0.1.34:8080"), "goes to what is no backend");
    assert!(is_stale(&both, 81, "10.0.1.33:8080"), "is published no more");
    assert!(is_stale(&both, 80, "end:80"), "was refused, and would not be");
    assert!(!is_stale(&none, 80, "end:80"), "is still refused");
    assert!(is_stale(&none, 80, "10.0.1.33:8080"), "lost its last backend");
}

#[test]
fn connections_are_looked_for_where_a_socket_goes_and_where_the_first_comes_for_datagrams() {
    let (none, one, two) =
        (serving(&[]), serving(&[(17, 1, true)]), serving(&[(17, 1, true), (33, 2, true)]));
    let (first, second) =
        (Sought::AnsweredBy("10.0.1.17".parse().unwrap()), Sought::AnsweredBy("10.0.1.33".parse().unwrap()));
    let datagrams = Sought::To(PortKey { protocol: Protocol::Udp, port: 53.try_into().unwrap() });
    assert_eq!(looked_for(&two, &one), [second].into());
    assert_eq!(looked_for(&one, &none), [first].into());
    assert_eq!(looked_for(&none, &one), [datagrams].into());
    assert_eq!(looked_for(&one, &two), [].into());
}
