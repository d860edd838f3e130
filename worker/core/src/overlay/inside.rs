//! The table in a container that publishes ports: answers go back by the link their client came by.
//!
//! A container's way out is the node's own network, and a program that answers a datagram does not say from which of its
//! addresses. So clients that come by the ingress network's link are led to the address programs answer from by
//! themselves, and what answers them is marked, which leads it back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::mesh::ANSWER_MARK;
use super::names::Interface;
use super::sets::Family;
use crate::network::nft_table::Table;

/// The table's name; containers are of one node each.
pub const TABLE: &str = "shoal-mesh";

/// Returns how many rules each chain of the table has.
pub fn sizes(addresses: &[(IpAddr, IpAddr)]) -> BTreeMap<String, usize> {
    let chains = [("marking", 1), ("deliver", addresses.len()), ("answer", 1)];
    chains.map(|(name, rules)| (name.to_owned(), rules)).into()
}

/// Renders the table; each address that clients come to is paired with the one programs answer from.
pub fn script(interface: Interface, addresses: &[(IpAddr, IpAddr)]) -> String {
    let link = interface.to_string();
    let mut table = Table::replacing(TABLE);
    let deliver = |(at, own): &(IpAddr, IpAddr)| {
        let word = Family::of(*at).word();
        format!("iifname {link:?} {word} daddr {at} dnat {word} to {own}")
    };
    for (name, hook, rules) in [
        (
            "marking",
            "type filter hook prerouting priority mangle; policy accept;",
            vec![format!("iifname {link:?} ct state new ct mark set {ANSWER_MARK:#x}")],
        ),
        (
            "deliver",
            "type nat hook prerouting priority dstnat; policy accept;",
            addresses.iter().map(deliver).collect(),
        ),
        (
            "answer",
            "type route hook output priority mangle; policy accept;",
            vec![format!("ct direction reply ct mark {ANSWER_MARK:#x} meta mark set ct mark")],
        ),
    ] {
        table.chain(name, Some(hook), &rules);
    }
    table.finish()
}
