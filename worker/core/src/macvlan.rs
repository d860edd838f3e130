//! What a node decides about networks that are on a link of its own: names, hardware addresses, and what containers may
//! send there.
//!
//! ```text
//!   container ──eth0 (macvlan)── eth1.100 (VLAN, ours) ── eth1 (the node's) ── switch
//! ```

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use proto::model::{NetworkId, NetworkInfo, TaskId};

use crate::network::InterfaceAddress;
use crate::network::names::VXLAN_PORT;
use crate::network::nft_table::Table;
use crate::overlay::Mac;
use crate::overlay::names::{Interface, short};

/// What the aliases of VLAN links begin with that a node made.
const ALIAS: &str = "shoal node ";

/// How many networks an alias has room for: it may have 255 bytes, each id has 25 and a space.
const ALIAS_NETWORKS_MAX: usize = 7;

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

/// Returns the alias of a VLAN link: whose it is and which networks are on it, so that a restarted daemon knows. Of more
/// networks than there is room for the last are left out.
pub fn alias(node: &str, networks: &BTreeSet<NetworkId>) -> String {
    let ids = networks.iter().take(ALIAS_NETWORKS_MAX).map(|id| format!(" {id}"));
    format!("{ALIAS}{node} networks{}", ids.collect::<String>())
}

/// Reads what [`alias`] wrote for this node.
pub fn parse_alias(node: &str, alias: &str) -> Option<BTreeSet<NetworkId>> {
    let ids = alias.strip_prefix(ALIAS)?.strip_prefix(node)?.strip_prefix(" networks")?;
    ids.split_whitespace().map(|id| id.parse().ok()).collect()
}

/// Returns the name of the table in a container that watches over an interface.
pub fn guard_table(interface: Interface) -> String {
    format!("shoal-{interface}")
}

/// Renders the table in a container's namespace that lets only its own addresses out by an interface, no tags of other
/// VLANs, and nothing that nodes would take for a packet of their tunnels. Without CAP_NET_ADMIN, which containers do not
/// have unless asked for, it can't be changed from inside.
pub fn guard(interface: Interface, addresses: &[InterfaceAddress]) -> String {
    let mut table = Table::replacing_in("netdev", &guard_table(interface));
    let hook = format!("type filter hook egress device \"{interface}\" priority filter; policy accept;");
    let mut rules = vec!["ether type { 8021q, 8021ad } drop".to_owned()];
    for held in addresses {
        match held.address {
            IpAddr::V4(own) => {
                rules.push(format!("arp saddr ip != {own} drop"));
                rules.push(format!("ip saddr != {own} drop"));
            }
            IpAddr::V6(own) => {
                rules.push(format!("ip6 saddr != {{ {own}, ::, fe80::/10 }} drop"));
                let (link_local, target) = ("@th,64,16 & 0xffc0 != 0xfe80", u128::from(own));
                rules.push(format!(
                    "icmpv6 type nd-neighbor-advert {link_local} @th,64,128 != {target:#034x} drop"
                ));
            }
        }
    }
    if addresses.iter().all(|held| held.address.is_ipv4()) {
        rules.push("meta protocol ip6 drop".to_owned());
    }
    rules.push(format!("udp dport {VXLAN_PORT} drop"));
    table.chain("own", Some(&hook), &rules);
    table.finish()
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
    fn only_a_containers_own_addresses_come_from_its_interface() {
        assert_eq!(guard(Interface(1), &addresses()), include_str!("golden/macvlan_guard.nft"));
        let ipv4_only = guard(Interface(0), &addresses()[..1]);
        assert!(
            ipv4_only.contains("meta protocol ip6 drop") && !ipv4_only.contains("ip6 saddr"),
            "{ipv4_only}"
        );
    }

    #[test]
    fn an_alias_tells_the_networks_on_a_vlan_to_its_own_node_only() {
        let networks: BTreeSet<_> = (1..=7).map(NetworkId::from_bits).collect();
        let node = "0000000000000000000000009";
        let text = alias(node, &networks);
        assert!(text.len() <= 255, "{text}");
        assert_eq!(parse_alias(node, &text), Some(networks));
        assert_eq!(parse_alias("another", &text), None);
        assert_eq!(parse_alias(node, "uplink to the office"), None);
    }

    #[test]
    fn hardware_addresses_are_as_unique_as_addresses() {
        assert_eq!(mac_of(Ipv4Addr::new(192, 0, 2, 20)).to_string(), "02:73:c0:00:02:14");
    }
}
