//! What a sandbox should hold, by example, and the nft text as golden files.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use proto::model::EndpointState;

use super::diff::{Step, diff};
use super::mac::Mac;
use super::names::container_link;
use super::plan::{PlanError, View, container_addresses, plan};
use super::sample::{containers, desired, elements_of, info, looked_for, node, peer, service, table, task};
use super::state::{Desired, Way};
use crate::network::{Flow, Protocol, Sought};

macro_rules! assert_golden {
    ($name:literal, $text:expr) => {
        assert_eq!($text, include_str!(concat!("golden/", $name)), "{} differs", $name)
    };
}

fn routes(desired: &Desired) -> Vec<String> {
    let way = |way: &Way| match way {
        Way::Link(link) => format!("dev {link}"),
        Way::Via(router) => format!("via {router}"),
    };
    desired.kernel.routes.iter().map(|(net, to)| format!("{net} {}", way(to))).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_network_that_each_node_has_for_itself_has_no_tunnel_and_the_whole_mtu() {
    let mut table = table(false);
    table.info.kind = proto::model::NetworkKind::Bridge;
    // As the managers tell it: the gateway's number, and no blocks.
    let lease = proto::model::NodeLease { number: 1, blocks: BTreeSet::new() };
    let me = proto::model::NetworkPeer { lease, ..table.peers.get(&node(1)).unwrap().clone() };
    table.peers.insert_mut(node(1), me);
    let desired = desired(&table, &containers(&[17]));
    assert_eq!(desired.kernel.tunnel, None);
    assert_eq!(routes(&desired), [format!("10.0.1.17/32 dev {}", container_link(task(17)))]);
    assert!(desired.kernel.links.values().all(|link| link.mtu == super::sample::UNDERLAY_MTU));
    assert!(desired.kernel.forwarding.is_empty() && desired.kernel.neighbours.is_empty());
}

#[test]
fn other_nodes_are_routes_to_their_blocks_and_single_addresses() {
    let link = container_link(task(17));
    let local = format!("10.0.1.17/32 dev {link}");
    let wanted = [
        "10.0.1.3/32 dev vx0",
        "10.0.1.4/32 dev vx0",
        local.as_str(),
        "10.0.1.32/28 via 10.0.1.3",
        "10.0.1.48/28 via 10.0.1.4",
        "10.0.1.99/32 via 10.0.1.4",
    ];
    assert_eq!(routes(&desired(&table(false), &containers(&[17]))), wanted);
}

#[test]
fn ipv6_has_the_same_routes_as_ipv4() {
    let both = routes(&desired(&table(true), &containers(&[17])));
    let (ipv6, ipv4): (Vec<String>, Vec<String>) = both.into_iter().partition(|route| route.contains("fd00"));
    assert_eq!(ipv6.len(), ipv4.len());
    assert!(ipv6.contains(&"fd00:1::20/124 via fd00:1::3".to_owned()), "{ipv6:?}");
    assert!(ipv6.contains(&"fd00:1::63/128 via fd00:1::4".to_owned()), "{ipv6:?}");
}

#[test]
fn a_tunnel_sends_to_each_node_and_learns_nothing() {
    let kernel = desired(&table(false), &containers(&[])).kernel;
    let (second, third) = (Mac::of_router(3), Mac::of_router(4));
    assert_eq!(kernel.forwarding, [(second, ip("192.0.2.2")), (third, ip("192.0.2.3"))].into());
    assert_eq!(kernel.neighbours, [(ip("10.0.1.3"), second), (ip("10.0.1.4"), third)].into());
    let tunnel = kernel.tunnel.unwrap();
    assert_eq!((tunnel.vni, tunnel.local, tunnel.mtu), (4097, ip("192.0.2.1"), 1450));
}

#[test]
fn an_ipv6_data_path_costs_twenty_bytes_more() {
    let mut table = table(false);
    table.peers.get_mut(&node(1)).unwrap().data_path = ip("2001:db8::1");
    let desired = desired(&table, &containers(&[]));
    assert_eq!(desired.kernel.tunnel.unwrap().mtu, 1430);
    assert_eq!(desired.out_of_reach, BTreeSet::from([node(2), node(3)]));
    assert!(desired.kernel.routes.is_empty() && desired.kernel.forwarding.is_empty());
    assert_eq!(desired.rules.services[&ip("10.0.1.200")], BTreeSet::from([ip("10.0.1.17")]));
}

#[test]
fn the_mtu_a_network_asks_for_is_taken_as_it_is() {
    let mut table = table(false);
    table.info.mtu = Some(1300);
    assert_eq!(desired(&table, &containers(&[])).kernel.tunnel.unwrap().mtu, 1300);
}

#[test]
fn a_node_without_a_number_and_a_link_too_small_are_refused() {
    let (table, containers) = (table(false), containers(&[]));
    let view =
        View { node: node(1), table: &table, containers: &containers, underlay_mtu: 1329, uplink: None };
    assert!(matches!(plan(&view), Err(PlanError::UnderlayTooSmall { left: 1279, .. })));
    assert!(plan(&View { underlay_mtu: 1330, ..view }).is_ok());
    assert!(matches!(plan(&View { node: node(9), ..view }), Err(PlanError::NoPart { .. })));
}

#[test]
fn an_mtu_that_is_asked_for_has_to_fit_the_nodes_link() {
    let (mut table, containers) = (table(false), containers(&[]));
    table.info.mtu = Some(1450);
    let view =
        View { node: node(1), table: &table, containers: &containers, underlay_mtu: 1500, uplink: None };
    assert_eq!(plan(&view).unwrap().kernel.tunnel.unwrap().mtu, 1450);
    let refused = plan(&View { underlay_mtu: 1499, ..view });
    assert!(matches!(refused, Err(PlanError::AskedTooLarge { asked: 1450, left: 1449, .. })), "{refused:?}");
}

#[test]
fn a_subnet_smaller_than_a_block_is_one_route_beside_its_own_answer() {
    let mut table = table(false);
    table.info.ipv4.subnet = "10.0.1.8/29".parse().unwrap();
    let other = peer(2, &[0, 1, u32::MAX], &[]);
    table.peers.insert_mut(other.node, other);
    table.peers.remove_mut(&node(3));
    let desired = desired(&table, &containers(&[]));
    assert_eq!(routes(&desired), ["10.0.1.8/29 via 10.0.1.11", "10.0.1.11/32 dev vx0"]);
    assert_eq!(desired.kernel.unreachable, BTreeSet::from(["10.0.1.8/29".parse().unwrap()]));
}

#[test]
fn a_container_gets_an_address_of_each_family_with_the_networks_prefix() {
    let given = container_addresses(&info(true), 17);
    let text = |at: usize| format!("{}/{} by {}", given[at].address, given[at].prefix, given[at].gateway);
    assert_eq!([text(0), text(1)], ["10.0.1.17/24 by 10.0.1.1", "fd00:1::11/64 by fe80::1"]);
    assert_eq!(container_addresses(&info(false), 17).len(), 1);
}

#[test]
fn the_table_balances_checks_sources_and_keeps_the_network_to_itself() {
    assert_golden!("overlay.nft", desired(&table(true), &containers(&[17])).rules.script());
}

#[test]
fn without_ipv6_no_rule_mentions_ipv6() {
    assert_golden!("overlay_ipv4_only.nft", desired(&table(false), &containers(&[])).rules.script());
}

#[test]
fn a_change_of_endpoints_touches_their_elements_only() {
    let before = desired(&table(true), &containers(&[17]));
    let mut table = table(true);
    table.services.insert_mut(service(1, 200, &[]).id, service(1, 200, &[(17, 1, true), (33, 2, false)]));
    let after = desired(&table, &containers(&[17, 18]));
    assert_golden!("overlay_change.nft", elements_of(before.rules.change(&after.rules)));
    assert_eq!(after.rules.change(&after.rules), None);
}

#[test]
fn backends_leave_the_rules_before_their_ways_go_and_come_after_them() {
    let with = desired(&table(false), &containers(&[]));
    let mut smaller = table(false);
    smaller.peers.remove_mut(&node(2));
    let without = desired(&smaller, &containers(&[]));
    let gone = diff(&with.kernel, Some(&with.rules), &without);
    assert!(matches!(gone[..2], [Step::Change(_), Step::ForgetStaleFlows(_)]), "{gone:?}");
    assert!(gone[2..].iter().any(|step| matches!(step, Step::RemoveRoute(..))));
    let come = diff(&without.kernel, Some(&without.rules), &with);
    assert!(matches!(come.last(), Some(Step::Change(_))), "{come:?}");
    assert!(matches!(come.first(), Some(Step::PutForwarding(..))), "{come:?}");
}

#[test]
fn only_connections_balanced_to_a_lost_backend_are_stale() {
    let rules = desired(&table(false), &containers(&[])).rules;
    let stale = |destination, answerer| {
        let at = |address| SocketAddr::new(ip(address), 80);
        let protocol = Some(Protocol::Tcp);
        Flow { protocol, destination: at(destination), answerer: at(answerer) }.is_stale(&rules)
    };
    assert!(!stale("10.0.1.200", "10.0.1.33"), "balanced to a backend");
    assert!(stale("10.0.1.200", "10.0.1.34"), "balanced to what is no backend");
    assert!(!stale("10.0.1.34", "10.0.1.34"), "spoken to directly");
    assert!(!stale("192.0.2.1", "10.0.1.34"), "not this network's");
}

#[test]
fn a_backend_that_drains_keeps_its_connections_until_it_is_gone() {
    let backend = |state: Option<EndpointState>| {
        let mut table = table(false);
        let mut service = service(1, 200, &[(17, 1, true), (33, 2, true)]);
        match state {
            Some(state) => service.endpoints.get_mut(&task(33)).unwrap().state = state,
            None => drop(service.endpoints.remove(&task(33))),
        }
        table.services.insert_mut(service.id, service);
        desired(&table, &containers(&[]))
    };
    let (serving, draining) = (backend(Some(EndpointState::Serving)), backend(Some(EndpointState::Draining)));
    let at = |address| SocketAddr::new(ip(address), 80);
    let flow =
        Flow { protocol: Some(Protocol::Tcp), destination: at("10.0.1.200"), answerer: at("10.0.1.33") };
    assert!(!draining.rules.balances(ip("10.0.1.200"), ip("10.0.1.33")), "no new ones");
    assert!(!flow.is_stale(&draining.rules));
    assert_eq!(looked_for(&serving, &draining), [].into());
    let its = BTreeSet::from([Sought::AnsweredBy(ip("10.0.1.33"))]);
    for gone in [backend(Some(EndpointState::Idle)), backend(None)] {
        assert_eq!([looked_for(&draining, &gone), looked_for(&serving, &gone)], [its.clone(), its.clone()]);
        assert!(flow.is_stale(&gone.rules));
    }
}
