//! What is said of wirings that are not as they should be.

use super::*;
use crate::network::{Access, Ipv4Subnet, Ipv6Subnet, NodeShort};

const MTU: u32 = 1500;

fn wiring() -> Wiring {
    let node = NodeShort::of("node1").unwrap();
    let addresses = UplinkAddresses::candidates(&node).next().unwrap();
    let subnets = Subnets { ipv4: Ipv4Subnet::default(), ipv6: Some(Ipv6Subnet::default()) };
    let attachment = |task: &str, addresses| Attachment {
        task: task.to_owned(),
        netns: format!("/run/{task}").into(),
        addresses,
        access: Access::SIBLINGS,
        has_other_way_out: false,
    };
    let (web, bare) = (attachment("web", subnets.addresses(2)), attachment("job", vec![]));
    let sandbox = Wiring::of_sandbox(MTU, &subnets, [web, bare].iter());
    sandbox.with(Wiring::of_uplink(MTU, &addresses, true))
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_wiring_lacks_nothing_of_itself_and_more_links_may_be_there() {
    let mut found = wiring();
    found.links.insert("foreign0".to_owned(), LinkShape { up: false, end: None });
    assert_eq!(wiring().missing_in(&found), [""; 0]);
    assert_eq!(wiring().foreign_in(&found), [""; 0]);
}

#[test]
fn what_is_missing_is_said_and_what_hangs_on_a_missing_link_is_not() {
    let mut found = wiring();
    found.links.remove("cweb");
    found.addresses.retain(|(link, _)| link != "cweb");
    found.routes.retain(|route| !route.leads.hangs_on("cweb"));
    found.links.get_mut("up0").unwrap().up = false;
    found.routes.retain(|route| route.net != net("172.30.0.0/16"));
    found.routes.insert(LedRoute::new(net("172.30.0.0/16"), Leads::To("up0".to_owned())));
    let expected = [
        "the link cweb is missing",
        "the link up0 is switched off",
        "the route to 172.30.0.0/16 leads elsewhere",
    ];
    assert_eq!(wiring().missing_in(&found), expected);
    assert_eq!(wiring().foreign_in(&found), [""; 0], "it is told already");
}

#[test]
fn what_a_link_became_is_said() {
    for (end, said) in [
        (Some(PairEnd { mtu: 500, group: 1 }), "the link cweb has an MTU of 500 bytes instead of 1500"),
        (Some(PairEnd { mtu: MTU, group: 9 }), "the link cweb is in the group 9 instead of 1"),
        (None, "the link cweb is no plain end of a pair"),
    ] {
        let mut found = wiring();
        found.links.get_mut("cweb").unwrap().end = end;
        assert_eq!(wiring().missing_in(&found)[0], said);
    }
}

#[test]
fn a_route_of_another_metric_or_kind_is_foreign_and_takes_no_place() {
    let mut found = wiring();
    let foreign = [
        LedRoute { metric: 4000, ..LedRoute::new(net("0.0.0.0/0"), Leads::Nowhere) },
        LedRoute::new(net("172.30.0.9/32"), Leads::Otherwise),
    ];
    found.routes.extend(foreign);
    assert_eq!(wiring().missing_in(&found), [""; 0]);
    let expected = [
        "a route to 0.0.0.0/0 of metric 4000 should not be there",
        "a route to 172.30.0.9/32 of metric 0 should not be there",
    ];
    assert_eq!(wiring().foreign_in(&found), expected);
}

#[test]
fn an_address_is_foreign_on_links_of_ours_only() {
    let mut found = wiring();
    found.addresses.extend(["lo", "theirs0"].map(|link| (link.to_owned(), net("172.30.0.9/32"))));
    assert_eq!(wiring().foreign_in(&found), ["the address 172.30.0.9/32 of lo should not be there"]);
}
