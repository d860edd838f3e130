//! The host's table that hands published ports to the ingress network's sandbox.
//!
//! Beside [`crate::network::Ruleset`], which does so for the ports of single containers; the managers let no port be
//! published in both ways.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ipnet::IpNet;

use super::rules::Rules;
use crate::network::nft_table::Table;
use crate::network::{NodeShort, PortKey, Subnets, UplinkAddresses};

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
    pub ports: BTreeSet<PortKey>,
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
            ports: mesh.ports.keys().copied().collect(),
        })
    }

    /// Renders the whole table, in the place of one of the same name.
    pub fn script(&self) -> String {
        let uplink = self.node.mesh_uplink();
        let mut table = Table::replacing(&self.node.mesh_table());
        let ports: Vec<_> = self.ports.iter().map(element).collect();
        table.block("set published", &["type inet_proto . inet_service".into()], &ports);
        table.chain("hand_over", None, &self.hand_over());
        let jump = ["jump hand_over".to_owned()];
        for (name, hook, rules) in [
            (
                "raw_prerouting",
                "type filter hook prerouting priority raw; policy accept;",
                // route_localnet on the link would otherwise let a container speak to the host's 127.0.0.1.
                &[format!("iifname {uplink:?} ip daddr 127.0.0.0/8 drop")][..],
            ),
            ("nat_prerouting", "type nat hook prerouting priority dstnat; policy accept;", &jump),
            ("nat_output", "type nat hook output priority -100; policy accept;", &jump),
            (
                "nat_postrouting",
                "type nat hook postrouting priority srcnat; policy accept;",
                &self.postrouting(&uplink),
            ),
            (
                "forward",
                "type filter hook forward priority filter; policy accept;",
                &[
                    format!("oifname {uplink:?} ct state new ct status & dnat == 0 drop"),
                    format!("iifname {uplink:?} ct state new drop"),
                ],
            ),
        ] {
            table.chain(name, Some(hook), rules);
        }
        table.finish()
    }

    /// Renders what turns this table into another, as one transaction; `None` when there is nothing to do.
    pub fn change(&self, to: &Self) -> Option<String> {
        if (Self { ports: BTreeSet::new(), ..self.clone() })
            != (Self { ports: BTreeSet::new(), ..to.clone() })
        {
            return Some(to.script());
        }
        let table = self.node.mesh_table();
        let mut script = String::new();
        for (verb, ports) in
            [("delete", self.ports.difference(&to.ports)), ("add", to.ports.difference(&self.ports))]
        {
            for port in ports {
                writeln!(script, "{verb} element inet {table} published {{ {} }}", element(port))
                    .expect("a String takes any text");
            }
        }
        (!script.is_empty()).then_some(script)
    }

    /// Renders the removal of the table, also when there is none.
    pub fn removal(node: &NodeShort) -> String {
        let table = node.mesh_table();
        format!("add table inet {table}\ndelete table inet {table}\n")
    }

    fn hand_over(&self) -> Vec<String> {
        let to = "fib daddr type local meta l4proto . th dport @published dnat";
        let mut rules = vec![format!("meta nfproto ipv4 {to} ip to {}", self.uplink.sandbox_ipv4())];
        if self.ipv6 {
            // IPv6 knows no route_localnet: a packet from ::1 cannot leave the loopback.
            rules.push(format!("ip6 daddr != ::1 {to} ip6 to {}", self.uplink.sandbox_ipv6()));
        }
        rules
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

fn element(port: &PortKey) -> String {
    format!("{} . {}", port.protocol, port.port)
}
