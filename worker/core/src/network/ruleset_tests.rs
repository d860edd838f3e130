//! The rules as golden files.

use std::path::Path;

use super::super::attachment::Access;
use super::super::ledger::Ledger;
use super::super::ports::{HostPort, Protocol};
use super::super::subnet::{Ipv4Subnet, Ipv6Subnet};
use super::*;

fn ruleset(ipv6: bool, guard: Guard) -> Ruleset {
    let node = NodeShort::of("ab12cd34ef56gh78ij90kl12m").unwrap();
    let uplink = UplinkAddresses::candidates(&node).next().unwrap();
    let subnets = Subnets { ipv4: Ipv4Subnet::default(), ipv6: ipv6.then(Ipv6Subnet::default) };
    Ruleset { node, uplink, subnets, guard }
}

fn port(protocol: Protocol, published: u16, target: u16) -> HostPort {
    HostPort {
        protocol,
        published: published.try_into().unwrap(),
        target: target.try_into().unwrap(),
        host_ip: None,
    }
}

/// Two tasks: `web` with 8080/tcp and 5353/udp, `api` with 9090/tcp.
fn ledger(rules: &Ruleset) -> Ledger {
    let mut ledger = Ledger::new(rules.subnets);
    for (task, ports) in [
        ("web", vec![port(Protocol::Tcp, 8080, 80), port(Protocol::Udp, 5353, 53)]),
        ("api", vec![port(Protocol::Tcp, 9090, 90)]),
    ] {
        ledger.attach(task, Path::new("/run/shoal/netns"), Access::SIBLINGS).unwrap();
        ledger.set_ports(task, &ports).unwrap();
    }
    ledger
}

macro_rules! assert_golden {
    ($name:literal, $text:expr) => {
        assert_eq!($text, include_str!(concat!("golden/", $name)), "{} differs", $name)
    };
}

#[test]
fn the_hosts_table_hands_published_ports_to_the_sandbox() {
    let rules = ruleset(true, Guard::default());
    assert_golden!("host.nft", &rules.host_table(&ledger(&rules).forwards()));
}

#[test]
fn the_hosts_table_drops_foreign_forwards_when_we_switched_forwarding_on() {
    let rules = ruleset(true, Guard { ipv4: true, ipv6: true });
    assert_golden!("host_guarded.nft", &rules.host_table(&[]));
}

#[test]
fn the_sandboxs_table_leads_published_ports_to_containers() {
    let rules = ruleset(true, Guard::default());
    assert_golden!("sandbox.nft", &rules.sandbox_table(&ledger(&rules).forwards()));
}

#[test]
fn without_an_ipv6_subnet_no_rule_mentions_ipv6() {
    let rules = ruleset(false, Guard { ipv4: true, ipv6: false });
    let ledger = ledger(&rules);
    assert_golden!("host_ipv4_only.nft", &rules.host_table(&ledger.forwards()));
    assert_golden!("sandbox_ipv4_only.nft", &rules.sandbox_table(&ledger.forwards()));
}

#[test]
fn a_change_of_ports_touches_their_elements_only() {
    let rules = ruleset(true, Guard::default());
    let ledger = ledger(&rules);
    let wanted = [port(Protocol::Tcp, 8080, 8000), port(Protocol::Tcp, 8443, 443)];
    let change = ledger.plan_ports("web", &wanted).unwrap();
    assert_golden!("host_change.nft", &rules.host_change(&change));
    assert_golden!("sandbox_change.nft", &rules.sandbox_change(&change));
}

#[test]
fn the_removal_of_a_table_does_not_need_the_table() {
    let node = NodeShort::of("ab12cd34").unwrap();
    assert_eq!(Ruleset::removal(&node), "add table inet shoal-ab12cd34\ndelete table inet shoal-ab12cd34\n");
}
