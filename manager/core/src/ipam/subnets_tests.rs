//! Which subnets new networks get, and which are refused.

use super::*;
use crate::{
    state::Change,
    testing::{Bench, macvlan_in, network_in as given, network_spec, node},
};

fn new(bench: &Bench, spec: NetworkSpec) -> Result<Network, IpamError> {
    new_network(&bench.state, NetworkId::from_bits(99), spec, bench.now)
}

#[test]
fn the_ingress_network_has_the_first_subnet_and_others_the_next_free_ones() {
    let mut bench = Bench::new();
    let ingress = bench.state.network_named(&"ingress".parse().unwrap()).unwrap();
    assert_eq!((ingress.ipv4.subnet.to_string().as_str(), ingress.vni), ("10.0.0.0/24", 4096));
    bench.add_network(given("wide", "10.0.1.0/25"));
    bench.add_network(given("wider", "10.0.2.0/23"));
    let next = new(&bench, network_spec("front")).unwrap();
    assert_eq!((next.ipv4.subnet.to_string().as_str(), next.vni), ("10.0.4.0/24", 4099));
    assert_eq!(next.ipv4.gateway.to_string(), "10.0.4.1");
}

#[test]
fn a_subnet_in_which_a_node_is_reached_is_left_out() {
    let mut bench = Bench::new();
    bench.add(node(1).data_path("10.0.1.7"));
    assert_eq!(new(&bench, network_spec("front")).unwrap().ipv4.subnet.to_string(), "10.0.2.0/24");
    let refused = new(&bench, given("front", "10.0.0.0/15")).unwrap_err().to_string();
    assert!(refused.contains("overlaps with 10.0.0.0/24 of network `ingress`"), "{refused}");
    let refused = new(&bench, given("front", "10.0.1.0/24")).unwrap_err().to_string();
    assert!(refused.contains("contains 10.0.1.7, by which node node-1 is reached"), "{refused}");
}

#[test]
fn what_hosts_reach_directly_is_left_alone_while_there_is_something_else() {
    let mut bench = Bench::new();
    bench.edit_cluster(|cluster| {
        cluster.spec.address_pools.ipv4 = vec!["10.0.0.0/22".parse().unwrap()];
    });
    let id = bench.add(node(1));
    let lan = "10.0.0.0/23".parse().unwrap();
    bench.edit_node(id, |node| node.description.as_mut().unwrap().local_subnets = [lan].into());
    let subnets: Vec<String> = ["a", "b", "c"]
        .map(|name| {
            let id = bench.add_network(network_spec(name));
            bench.state.network(id).unwrap().ipv4.subnet.to_string()
        })
        .into();
    assert_eq!(subnets, ["10.0.2.0/24", "10.0.3.0/24", "10.0.1.0/24"], "the ingress network has the first");
    let refused = new(&bench, network_spec("d")).unwrap_err().to_string();
    assert!(refused.starts_with("no subnet with a prefix of 24 is left in 10.0.0.0/22: "), "{refused}");
}

#[test]
fn subnets_come_from_the_clusters_pools_in_their_order() {
    let mut bench = Bench::new();
    bench.edit_cluster(|cluster| {
        cluster.spec.address_pools = AddressPools {
            ipv4: vec!["172.20.0.0/28".parse().unwrap(), "172.30.0.0/16".parse().unwrap()],
            ipv6: vec!["fd00:20::/63".parse().unwrap()],
            mask_length: 28,
        };
    });
    let mut made = |name: &str| {
        let id = bench.add_network(NetworkSpec { ipv6: true, ..network_spec(name) });
        let network = bench.state.network(id).unwrap();
        (network.ipv4.subnet.to_string(), network.ipv6.unwrap().subnet.to_string())
    };
    assert_eq!(made("a"), ("172.20.0.0/28".to_owned(), "fd00:20::/64".to_owned()));
    assert_eq!(made("b"), ("172.30.0.0/28".to_owned(), "fd00:20:0:1::/64".to_owned()));
    let spec = NetworkSpec { ipv6: true, ..network_spec("c") };
    let refused = new(&bench, spec).unwrap_err().to_string();
    assert!(refused.starts_with("no subnet with a prefix of 64 is left in fd00:20::/63: "), "{refused}");
}

#[test]
fn ipv6_subnets_are_the_clusters_own_and_differ_for_every_number() {
    let mut bench = Bench::new();
    bench.edit_cluster(|cluster| cluster.id = proto::model::ClusterId::from_bits(0xab_cdef_0123));
    let spec = NetworkSpec { ipv6: true, ..network_spec("front") };
    let ipv6 = new(&bench, spec).unwrap().ipv6.unwrap();
    assert_eq!(ipv6.subnet.to_string(), "fdab:cdef:123:1001::/64");
    assert_eq!(ipv6.gateway.to_string(), "fdab:cdef:123:1001::1");
    let subnets: BTreeSet<Ipv6Net> =
        [4096, 0x1_1000, 0xff_1000].map(|vni| local_ipv6(bench.state.cluster(), vni).subnet).into();
    assert_eq!(subnets.len(), 3);
}

#[test]
fn two_networks_made_at_the_same_time_can_not_have_the_same_addresses() {
    let mut bench = Bench::new();
    let one = new(&bench, network_spec("front")).unwrap();
    let other = Network { id: NetworkId::from_bits(98), ..new(&bench, network_spec("back")).unwrap() };
    bench.change(Change::PutNetwork(Box::new(one)));
    let clashing = crate::state::Transaction::of(vec![Change::PutNetwork(Box::new(other))]);
    assert!(bench.state.apply(&clashing).is_err());
}

#[test]
fn a_subnet_that_a_node_needs_for_itself_is_refused_with_what_it_is() {
    let mut bench = Bench::new();
    let id = bench.add(node(1));
    bench.edit_node(id, |node| {
        let said = node.description.as_mut().unwrap();
        said.container_subnets = ["172.30.0.0/16".parse().unwrap()].into();
        said.local_subnets = ["192.0.2.0/24".parse().unwrap()].into();
    });
    let refused = |spec| new(&bench, spec).unwrap_err().to_string();
    let own = refused(given("front", "172.30.8.0/24"));
    assert!(
        own.contains("overlaps with 172.30.0.0/16, from which node node-1 gives its containers"),
        "{own}"
    );
    let on_link = refused(macvlan_in("lan", "172.16.0.0/12"));
    assert!(on_link.contains("overlaps with 172.30.0.0/16, from which"), "{on_link}");
    let around = refused(given("front", "192.0.2.128/25"));
    assert!(around.contains("overlaps with 192.0.2.0/24, to which node node-1 has a route"), "{around}");
    assert!(new(&bench, macvlan_in("lan", "192.0.2.0/24")).is_ok(), "that is what it is for");
}
