//! What a node decides about networks that are on a link of its own: names, hardware addresses, and what containers may
//! send there.
//!
//! ```text
//!   container ──eth0 (macvlan)── eth1.100 (VLAN, ours) ── eth1 (the node's) ── switch
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proto::model::{NetworkId, NetworkInfo, TaskId};

use crate::network::InterfaceAddress;
use crate::network::names::VXLAN_PORT;
use crate::network::nft_table::Table;
use crate::overlay::Mac;
use crate::overlay::names::{Interface, short};

/// What the aliases of VLAN links begin with that a node made.
const ALIAS: &str = "shoal node ";

/// The group of the VLAN links that nodes made: it goes in with the link, which the alias can't.
pub const VLAN_GROUP: u32 = 0x7368_6f10;

/// Returns what a container's link is called until it is in the container's namespace, at most 13 characters.
pub fn link_on_its_way(task: TaskId) -> String {
    format!("m{}", short(task))
}

/// Returns the hardware address of who has an address: a task that moves takes it along, and neighbours need not ask anew.
pub fn mac_of(address: Ipv4Addr) -> Mac {
    Mac::of_router(u32::from(address))
}

/// Returns what a container's interface is given for its number.
pub fn container_addresses(info: &NetworkInfo, number: u32) -> Vec<InterfaceAddress> {
    let ipv4 = InterfaceAddress {
        address: info.ipv4_address(number).into(),
        prefix: info.ipv4.subnet.prefix_len(),
        gateway: info.ipv4.gateway.into(),
    };
    let ipv6 = info.ipv6.map(|pool| InterfaceAddress {
        address: pool.address(number).into(),
        prefix: pool.subnet.prefix_len(),
        gateway: pool.gateway.into(),
    });
    [ipv4].into_iter().chain(ipv6).collect()
}

/// Returns the alias of a VLAN link: whose it is and which network is on it, so that a restarted daemon knows.
pub fn alias(node: &str, network: NetworkId) -> String {
    format!("{ALIAS}{node} network {network}")
}

/// Reads what [`alias`] wrote for this node.
pub fn parse_alias(node: &str, alias: &str) -> Option<NetworkId> {
    let id = alias.strip_prefix(ALIAS)?.strip_prefix(node)?.strip_prefix(" network ")?;
    id.parse().ok()
}

/// Returns the name of the table in a container that watches over an interface.
pub fn guard_table(interface: Interface) -> String {
    format!("shoal-{interface}")
}

/// Renders the table in a container's namespace that lets out by an interface only what is the container's own: its
/// hardware address, its addresses and the link-local one that follows from the hardware address, by ARP, IPv4 and IPv6.
/// It speaks for nobody else's addresses, is no router and no DHCP server, and sends nothing that nodes would take for a
/// packet of their tunnels. Without CAP_NET_ADMIN, which containers do not have unless asked for, it can't be changed
/// from inside.
pub fn guard(interface: Interface, mac: Mac, addresses: &[InterfaceAddress]) -> String {
    let mut table = Table::replacing_in("netdev", &guard_table(interface));
    let mut own = vec![format!("ether saddr != {mac} drop")];
    let mut ipv6 = Vec::new();
    for held in addresses {
        match held.address {
            // A raw socket may say of a frame that it is of another protocol than its header says: both have to agree.
            IpAddr::V4(address) => own.extend([
                format!(
                    "ether type arp meta protocol arp arp saddr ether {mac} arp saddr ip {address} accept"
                ),
                "udp sport 67 drop".to_owned(),
                format!("udp dport {VXLAN_PORT} drop"),
                format!("ether type ip meta protocol ip ip saddr {address} accept"),
            ]),
            IpAddr::V6(address) => {
                let link_local = mac.link_local();
                let sources = format!("{{ {address}, {link_local}, :: }}");
                own.push(format!("ether type ip6 meta protocol ip6 ip6 saddr {sources} jump ipv6"));
                ipv6 = ipv6_rules([address, link_local]);
            }
        }
    }
    if !ipv6.is_empty() {
        table.chain("ipv6", None, &ipv6);
    }
    let hook = format!("type filter hook egress device \"{interface}\" priority filter; policy drop;");
    table.chain("own", Some(&hook), &own);
    table.finish()
}

/// What may be sent over IPv6 from a source that is right; the rest falls through to the policy. A rule does not match what
/// it can't read of a packet, such as a header that begins in the second fragment: so each rule that lets something
/// through reads all that matters.
fn ipv6_rules(own: [Ipv6Addr; 2]) -> Vec<String> {
    // Who asks without a source or answers, asks for the target or says it is here.
    let speaks_for = own.map(|target| {
        let target = u128::from(target);
        format!("icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} @th,64,128 {target:#034x} accept")
    });
    let rules = [
        "icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } accept".to_owned(),
        "ip6 saddr :: drop".to_owned(),
        // Nothing comes of them without a first one.
        "frag frag-off != 0 accept".to_owned(),
        "icmpv6 type { nd-neighbor-solicit, destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, echo-reply } accept".to_owned(),
        // Not one rule: nft 1.0.6 takes two ports that must not be for one that must not be the other.
        "udp sport 547 drop".to_owned(),
        format!("udp dport != {VXLAN_PORT} accept"),
        "meta l4proto != { icmpv6, udp } accept".to_owned(),
    ];
    speaks_for.into_iter().chain(rules).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<InterfaceAddress> {
        let held = |address: &str, prefix, gateway: &str| InterfaceAddress {
            address: address.parse().unwrap(),
            prefix,
            gateway: gateway.parse().unwrap(),
        };
        vec![held("192.0.2.20", 24, "192.0.2.1"), held("2001:db8::14", 64, "2001:db8::1")]
    }

    #[test]
    fn only_what_is_a_containers_own_leaves_by_its_interface() {
        let mac = mac_of(Ipv4Addr::new(192, 0, 2, 20));
        assert_eq!(guard(Interface(1), mac, &addresses()), include_str!("golden/macvlan_guard.nft"));
        let ipv4_only = guard(Interface(0), mac, &addresses()[..1]);
        assert!(ipv4_only.contains("policy drop") && !ipv4_only.contains("ip6"), "{ipv4_only}");
    }

    #[test]
    fn an_alias_tells_the_network_on_a_vlan_to_its_own_node_only() {
        let (network, node) = (NetworkId::from_bits(7), "0000000000000000000000009");
        let text = alias(node, network);
        assert_eq!(parse_alias(node, &text), Some(network));
        assert_eq!(parse_alias("another", &text), None);
        assert_eq!(parse_alias(node, "uplink to the office"), None);
    }

    #[test]
    fn hardware_addresses_are_as_unique_as_addresses() {
        assert_eq!(mac_of(Ipv4Addr::new(192, 0, 2, 20)).to_string(), "02:73:c0:00:02:14");
    }
}
