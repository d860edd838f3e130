//! The rules that keep containers from what is not theirs: the host, each other, and other people's addresses.

use super::attachment::Access;
use super::names::{CONTAINER_LINKS, SANDBOX_UPLINK, VXLAN_PORT};
use super::ruleset::Ruleset;
use crate::macvlan::VLAN_GROUP;

impl Ruleset {
    /// Containers come to the host itself at one address only, and the sandbox decides who gets as far as that. Published
    /// ports lead elsewhere by now, and neighbour discovery is not tracked.
    pub(super) fn input_rules(&self) -> Vec<String> {
        let uplink = self.node.uplink();
        let mut rules = vec![
            // VLANs that nodes made are their containers' and not the host's.
            format!("iifgroup {VLAN_GROUP} drop"),
            format!("iifname != {uplink:?} accept"),
            // A rejection of what belongs to no connection would end the connection it pretends to be of.
            "ct state invalid drop".to_owned(),
            format!("ip daddr {} accept", self.uplink.host_ipv4()),
        ];
        if self.subnets.ipv6.is_some() {
            rules.push(format!("ip6 daddr {} accept", self.uplink.host_ipv6()));
        }
        // As if nobody listened: a port that is withdrawn is refused like any other.
        rules.push("ct state new meta l4proto tcp reject with tcp reset".to_owned());
        rules.push("ct state new reject with icmpx port-unreachable".to_owned());
        rules
    }

    /// A source is a container's own if the way there is the link it came by: each container is routed to by one link.
    pub(super) fn source_rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        if self.subnets.ipv6.is_some() {
            // Neighbour discovery needs them, and they go no further than the sandbox.
            rules.push("ip6 saddr { ::, fe80::/10 } ip6 daddr { fe80::/10, ff02::/16 } accept".to_owned());
        }
        rules.push(format!("iifname {CONTAINER_LINKS:?} fib saddr . iif oif missing drop"));
        rules
    }

    /// Who may send where: in by published ports, out by the uplink, to siblings.
    pub(super) fn reach_rules(&self) -> Vec<String> {
        let reject = "reject with icmpx admin-prohibited";
        let (siblings, host) = (Access::groups_with_siblings(), Access::groups_with_host());
        let mut rules = vec![
            // It is not translated, and has neither direction nor state that the rules below could go by.
            "ct state invalid drop".to_owned(),
            // Its first packet came past the rules below.
            "ct state established accept".to_owned(),
            format!("iifname {SANDBOX_UPLINK:?} ct state new ct status & dnat == 0 drop"),
            format!(
                "iifname {CONTAINER_LINKS:?} oifname {CONTAINER_LINKS:?} meta iifgroup {siblings} meta oifgroup {siblings} accept"
            ),
            format!("iifname {CONTAINER_LINKS:?} oifname {CONTAINER_LINKS:?} {reject}"),
            // Nodes would take it for a packet of their own networks: it comes from a node's address.
            format!("iifname {CONTAINER_LINKS:?} udp dport {VXLAN_PORT} drop"),
        ];
        let ends = [format!("ip daddr {}", self.uplink.host_ipv4())]
            .into_iter()
            .chain(self.subnets.ipv6.map(|_| format!("ip6 daddr {}", self.uplink.host_ipv6())));
        // Answers to the host, which asks for published ports from that address, pass.
        rules.extend(ends.map(|end| {
            format!(
                "iifname {CONTAINER_LINKS:?} meta iifgroup != {host} ct direction original {end} {reject}"
            )
        }));
        rules
    }
}
