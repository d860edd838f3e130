//! The host's table that hands published ports to the ingress network's sandbox.
//!
//! Beside [`crate::network::Ruleset`], which does so for the ports of single containers; the managers let no port be
//! published in both ways.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::challenge;
use super::rules::Rules;
use crate::network::hand_over::HandOver;
use crate::network::nft_table::Table;
use crate::network::{NodeShort, Opening, Subnets, UplinkAddresses};

/// All that the table depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Whose names the table and the link carry.
    pub node: NodeShort,
    /// The addresses of the link's two ends.
    pub uplink: UplinkAddresses,
    /// Clients with these addresses are hidden behind the host's end of the link: a container could not answer them.
    pub hidden: BTreeSet<IpNet>,
    /// Whether IPv6 is handed over too.
    pub ipv6: bool,
    /// The published ports.
    pub ports: BTreeSet<Opening>,
}

impl Gate {
    /// Returns the gate to a sandbox with these rules, on a node whose own containers have these addresses; `None` where
    /// the rules are of another network than the ingress network.
    pub fn to(rules: &Rules, node: NodeShort, subnets: &Subnets) -> Option<Self> {
        let mesh = rules.mesh.as_ref()?;
        let own = [subnets.ipv4.to_string()].into_iter().chain(subnets.ipv6.map(|net| net.to_string()));
        let own = own.map(|net| net.parse().expect("a subnet is an address and a prefix length"));
        Some(Self {
            node,
            uplink: mesh.uplink,
            hidden: rules.sides.iter().map(|side| side.pool).chain(own).collect(),
            ipv6: rules.sides.iter().any(|side| side.router.is_ipv6()),
            ports: mesh.openings().collect(),
        })
    }

    /// Renders the whole table, in the place of one of the same name.
    pub fn script(&self) -> String {
        let (name, uplink) = (self.node.mesh_table(), self.node.mesh_uplink());
        let mut table = Table::replacing(&name);
        let openings: Vec<Opening> = self.ports.iter().copied().collect();
        self.hand_over(&name, &uplink).add_to(&mut table, &openings);
        table.chain(
            "nat_postrouting",
            Some("type nat hook postrouting priority srcnat; policy accept;"),
            &self.postrouting(&uplink),
        );
        table.chain(
            "forward",
            Some("type filter hook forward priority filter; policy accept;"),
            &[
                format!("ct state new ct status & dnat == 0 oifname {uplink:?} drop"),
                format!("ct state new iifname {uplink:?} drop"),
            ],
        );
        table.chain(
            "input",
            Some("type filter hook input priority filter; policy accept;"),
            // The sandbox begins nothing; neighbour discovery is not tracked.
            &[format!("ct state new,invalid iifname {uplink:?} drop")],
        );
        let (chain, hook, rules) = challenge::chain();
        table.chain(chain, Some(hook), &rules);
        table.finish()
    }

    /// Renders what turns this table into another, as one transaction; `None` when there is nothing to do.
    pub fn change(&self, to: &Self) -> Option<String> {
        if (Self { ports: BTreeSet::new(), ..self.clone() })
            != (Self { ports: BTreeSet::new(), ..to.clone() })
        {
            return Some(to.script());
        }
        let (name, uplink) = (self.node.mesh_table(), self.node.mesh_uplink());
        let hand_over = self.hand_over(&name, &uplink);
        let mut script = String::new();
        self.ports.difference(&to.ports).for_each(|port| hand_over.take_out(&mut script, port));
        to.ports.difference(&self.ports).for_each(|port| hand_over.put_in(&mut script, port));
        (!script.is_empty()).then_some(script)
    }

    /// Renders the removal of the table, also when there is none.
    pub fn removal(node: &NodeShort) -> String {
        let table = node.mesh_table();
        format!("add table inet {table}\ndelete table inet {table}\n")
    }

    fn hand_over<'a>(&self, table: &'a str, link: &'a str) -> HandOver<'a> {
        HandOver { table, link, addresses: self.uplink, ipv6: self.ipv6 }
    }

    fn postrouting(&self, uplink: &str) -> Vec<String> {
        let local = "127.0.0.0/8".parse().expect("it is a subnet");
        let hidden =
            self.hidden.iter().copied().chain([local]).filter(|net| self.ipv6 || net.addr().is_ipv4());
        let rule = |net: IpNet| {
            let word = if net.addr().is_ipv4() { "ip" } else { "ip6" };
            format!("oifname {uplink:?} {word} saddr {net} masquerade")
        };
        hidden.map(rule).collect()
    }
}
