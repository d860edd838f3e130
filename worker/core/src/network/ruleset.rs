//! The nft text for the host's and the sandbox's table: whole tables, and the change of single published ports.
//!
//! Both tables have the same name in different namespaces. A whole table replaces what was there in one transaction, so
//! packets meet either the old or the new one; connections that are under way live in conntrack and are not touched.

use std::fmt::Write as _;

use super::addressing::Subnets;
use super::guard::Guard;
use super::hand_over::HandOver;
use super::names::{LINK_GROUP, NodeShort, SANDBOX_UPLINK, VXLAN_PORT};
use super::nft_table::Table;
use super::ports::{Forward, Opening, PortChange};

use super::uplink::UplinkAddresses;
use crate::macvlan::VLAN_GROUP;

/// Everything the rules of one node depend on besides the published ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    /// Whose names the table and the uplink carry.
    pub node: NodeShort,
    /// The addresses of the uplink's two ends.
    pub uplink: UplinkAddresses,
    /// The subnets of the containers.
    pub subnets: Subnets,
    /// Which foreign forwards the host drops.
    pub guard: Guard,
}

impl Ruleset {
    /// Renders the host's table: hands published ports to the sandbox, hides the sandbox behind the host's addresses, and
    /// keeps containers from the host itself.
    pub fn host_table(&self, forwards: &[&Forward]) -> String {
        let (name, uplink) = (self.node.table(), self.node.uplink());
        let mut table = Table::replacing(&name);
        let openings: Vec<Opening> = forwards.iter().map(|forward| forward.opening()).collect();
        self.hand_over(&name, &uplink).add_to(&mut table, &openings);
        table.chain(
            "nat_postrouting",
            Some("type nat hook postrouting priority srcnat; policy accept;"),
            &self.host_postrouting(),
        );
        table.chain(
            "forward",
            Some("type filter hook forward priority filter; policy accept;"),
            // Published ports are the only way in, for the LAN as for the sandboxes of other daemons.
            &[
                format!("iifgroup {VLAN_GROUP} drop"),
                format!("ct state invalid oifname {uplink:?} drop"),
                format!("ct state new ct status & dnat == 0 oifname {uplink:?} drop"),
            ],
        );
        table.chain(
            "input",
            Some("type filter hook input priority filter; policy accept;"),
            &self.input_rules(),
        );
        // Each connection inside has tunnel flows of its own, one for each direction: tracked too, they would treble what
        // the host keeps and look up, and nothing asks for their state.
        let tunnel = format!("udp dport {VXLAN_PORT}");
        table.chain(
            "tunnel_in",
            Some("type filter hook prerouting priority raw; policy accept;"),
            // What passes through, as other machines' tunnels, is for others to judge.
            &[format!("{tunnel} fib daddr type local notrack")],
        );
        table.chain(
            "tunnel_out",
            Some("type filter hook output priority raw; policy accept;"),
            &[format!("{tunnel} notrack")],
        );
        let guard = self.guard_rules();
        if !guard.is_empty() {
            table.chain("guard", Some("type filter hook forward priority filter; policy accept;"), &guard);
        }
        table.finish()
    }

    /// Renders the sandbox's table: leads published ports to containers, hides containers behind the uplink, and lets each
    /// send from its own addresses and to what it may reach only.
    pub fn sandbox_table(&self, forwards: &[&Forward]) -> String {
        let mut table = Table::replacing(&self.node.table());
        let ipv4: Vec<_> = forwards.iter().copied().filter_map(target_ipv4).collect();
        let map = |address: &str| [format!("type inet_proto . inet_service : {address} . inet_service")];
        table.block("map published4", &map("ipv4_addr"), &ipv4);
        let mut prerouting = vec![format!(
            "iifname {SANDBOX_UPLINK:?} ip daddr {} meta l4proto {{ tcp, udp, sctp }} dnat ip to meta l4proto . th dport map @published4",
            self.uplink.sandbox_ipv4()
        )];
        let mut postrouting =
            vec![format!("oifname {SANDBOX_UPLINK:?} ip saddr {} masquerade", self.subnets.ipv4)];
        if let Some(subnet) = self.subnets.ipv6 {
            let ipv6: Vec<_> = forwards.iter().copied().filter_map(target_ipv6).collect();
            table.block("map published6", &map("ipv6_addr"), &ipv6);
            prerouting.push(format!(
                "iifname {SANDBOX_UPLINK:?} ip6 daddr {} meta l4proto {{ tcp, udp, sctp }} dnat ip6 to meta l4proto . th dport map @published6",
                self.uplink.sandbox_ipv6()
            ));
            postrouting.push(format!("oifname {SANDBOX_UPLINK:?} ip6 saddr {subnet} masquerade"));
        }
        table.chain(
            "nat_prerouting",
            Some("type nat hook prerouting priority dstnat; policy accept;"),
            &prerouting,
        );
        table.chain(
            "nat_postrouting",
            Some("type nat hook postrouting priority srcnat; policy accept;"),
            &postrouting,
        );
        table.chain(
            "sources",
            Some("type filter hook prerouting priority raw; policy accept;"),
            &self.source_rules(),
        );
        table.chain(
            "forward",
            Some("type filter hook forward priority filter; policy accept;"),
            &self.reach_rules(),
        );
        table.finish()
    }

    /// Renders one change of published ports for the host, as one transaction.
    pub fn host_change(&self, change: &PortChange) -> String {
        let (name, uplink) = (self.node.table(), self.node.uplink());
        let hand_over = self.hand_over(&name, &uplink);
        let mut script = String::new();
        change.remove.iter().for_each(|forward| hand_over.take_out(&mut script, &forward.opening()));
        change.add.iter().for_each(|forward| hand_over.put_in(&mut script, &forward.opening()));
        script
    }

    /// Renders one change of published ports for the sandbox, as one transaction.
    pub fn sandbox_change(&self, change: &PortChange) -> String {
        let mut script = String::new();
        let elements = |forward: &Forward| {
            let ipv4 = target_ipv4(forward).map(|element| ("published4", element));
            let ipv6 = target_ipv6(forward).map(|element| ("published6", element));
            ipv4.into_iter().chain(ipv6.filter(|_| self.subnets.ipv6.is_some()))
        };
        for (map, element) in change.remove.iter().flat_map(elements) {
            self.take_out(&mut script, map, &element);
        }
        for (map, element) in change.add.iter().flat_map(elements) {
            self.put_in(&mut script, map, &element);
        }
        script
    }

    /// Renders the removal of the table, also when there is none.
    pub fn removal(node: &NodeShort) -> String {
        let table = node.table();
        format!("add table inet {table}\ndelete table inet {table}\n")
    }

    fn hand_over<'a>(&self, table: &'a str, link: &'a str) -> HandOver<'a> {
        HandOver { table, link, addresses: self.uplink, ipv6: self.subnets.ipv6.is_some() }
    }

    fn host_postrouting(&self) -> Vec<String> {
        let uplink = self.node.uplink();
        // A client whose address is one of the containers' could not be answered: it is hidden as 127.0.0.1 is.
        let mut rules =
            vec![format!("oifname {uplink:?} ip saddr {{ 127.0.0.0/8, {} }} masquerade", self.subnets.ipv4)];
        if let Some(subnet) = self.subnets.ipv6 {
            rules.push(format!("oifname {uplink:?} ip6 saddr {subnet} masquerade"));
        }
        rules.push(format!("iifname {uplink:?} masquerade"));
        rules
    }

    fn guard_rules(&self) -> Vec<String> {
        let groups = format!("{LINK_GROUP}-{}", Guard { ipv4: true, ipv6: true }.link_group());
        let families = [(self.guard.ipv4, "ipv4"), (self.guard.ipv6, "ipv6")];
        families
            .into_iter()
            .filter(|(guarded, _)| *guarded)
            .map(|(_, family)| {
                format!("meta nfproto {family} meta iifgroup != {groups} meta oifgroup != {groups} drop")
            })
            .collect()
    }

    fn put_in(&self, script: &mut String, set: &str, element: &str) {
        self.element(script, "add", set, element);
    }

    /// Adds before it deletes: nft refuses to delete what is not there, and a change may be carried out again.
    fn take_out(&self, script: &mut String, set: &str, element: &str) {
        self.element(script, "add", set, element);
        self.element(script, "delete", set, element);
    }

    fn element(&self, script: &mut String, verb: &str, set: &str, element: &str) {
        let table = self.node.table();
        writeln!(script, "{verb} element inet {table} {set} {{ {element} }}")
            .expect("a String takes any text");
    }
}

fn published_port(forward: &Forward) -> String {
    format!("{} . {}", forward.key.protocol, forward.key.port)
}

fn target_ipv4(forward: &Forward) -> Option<String> {
    let target = forward.ipv4()?;
    Some(format!("{} : {} . {}", published_port(forward), target.ip(), target.port()))
}

fn target_ipv6(forward: &Forward) -> Option<String> {
    let target = forward.ipv6()?;
    Some(format!("{} : {} . {}", published_port(forward), target.ip(), target.port()))
}

#[cfg(test)]
#[path = "ruleset_tests.rs"]
mod tests;
