//! Whether a node satisfies a service's constraints.

use proto::model::{Comparison, Constraint, Node, NodeDescription, comparison::number, constraint::NodeKey};
use std::{borrow::Cow, net::IpAddr};

/// The first constraint that does not hold on the node.
pub fn first_unmet<'a>(node: &Node, constraints: &'a [Constraint]) -> Option<&'a Constraint> {
    constraints.iter().find(|constraint| !holds(node, constraint))
}

/// Whether a constraint holds on a node. A node whose agent never registered has empty properties.
pub fn holds(node: &Node, constraint: &Constraint) -> bool {
    let value = value_of(node, &constraint.key);
    // A text that is no address says nothing about any node's, neither that it is the same nor that it is not.
    let is = |wanted: &str| match constraint.key {
        NodeKey::Ip => includes(wanted, node.status.addr),
        NodeKey::Arch => Some(value.eq_ignore_ascii_case(architecture(wanted))),
        _ => Some(value.eq_ignore_ascii_case(wanted)),
    };
    match &constraint.comparison {
        Comparison::Is(wanted) => is(wanted) == Some(true),
        Comparison::IsNot(unwanted) => is(unwanted) == Some(false),
        Comparison::In(wanted) => wanted.iter().any(|wanted| is(wanted) == Some(true)),
        Comparison::NotIn(unwanted) => unwanted.iter().all(|unwanted| is(unwanted) == Some(false)),
        Comparison::Matches(pattern) => pattern.is_match(&value),
        Comparison::Below(limit) => number(&value).is_some_and(|value| value < limit.value()),
        Comparison::Above(limit) => number(&value).is_some_and(|value| value > limit.value()),
    }
}

/// A property of a node as text; empty if it has none.
pub fn value_of<'a>(node: &'a Node, key: &NodeKey) -> Cow<'a, str> {
    let said = |part: fn(&NodeDescription) -> &str| node.description.as_ref().map_or("", part).into();
    match key {
        NodeKey::Id => node.id.to_string().into(),
        NodeKey::Role => node.spec.role.to_string().into(),
        NodeKey::Ip => node.status.addr.map_or(String::new(), |addr| addr.to_string()).into(),
        NodeKey::Hostname => said(|description| &description.hostname),
        NodeKey::Os => said(|description| &description.os),
        NodeKey::Arch => said(|description| architecture(&description.arch)),
        NodeKey::Label(name) => node.spec.labels.get(name).map_or("", String::as_str).into(),
        NodeKey::EngineLabel(name) => {
            let labels = node.description.as_ref().map(|description| &description.engine_labels);
            labels.and_then(|labels| labels.get(name)).map_or("", String::as_str).into()
        }
    }
}

/// An architecture by the name images use: kernels and people have others for the same thing.
fn architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        _ => name,
    }
}

/// Whether an address is the one given or lies in the network given; `None` if neither is given.
fn includes(network: &str, addr: Option<IpAddr>) -> Option<bool> {
    let (base, prefix) = match network.split_once('/') {
        Some((base, prefix)) => (base.parse().ok()?, Some(prefix.parse::<u32>().ok()?)),
        None => (network.parse().ok()?, None),
    };
    match (base, addr) {
        (IpAddr::V4(base), Some(IpAddr::V4(addr))) => {
            let host_bits = 32u32.checked_sub(prefix.unwrap_or(32))?;
            Some(same_network(base.to_bits().into(), addr.to_bits().into(), host_bits))
        }
        (IpAddr::V6(base), Some(IpAddr::V6(addr))) => {
            let host_bits = 128u32.checked_sub(prefix.unwrap_or(128))?;
            Some(same_network(base.to_bits(), addr.to_bits(), host_bits))
        }
        _ => Some(false),
    }
}

fn same_network(a: u128, b: u128, host_bits: u32) -> bool {
    (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node;

    fn on_a_node(constraint: &str) -> bool {
        let mut node = node(1).label("disk", "SSD").label("cores", "16").build();
        node.status.addr = Some("10.1.2.3".parse().unwrap());
        node.description.as_mut().unwrap().arch = "x86_64".into();
        holds(&node, &constraint.parse().unwrap())
    }

    #[test]
    fn values_are_compared_without_regard_to_case() {
        assert!(on_a_node("node.labels.disk==ssd"));
        assert!(!on_a_node("node.labels.disk!=Ssd"));
        assert!(!on_a_node("node.labels.DISK==ssd"));
    }

    #[test]
    fn a_missing_label_differs_from_every_value() {
        assert!(on_a_node("node.labels.zone!=a"));
        assert!(!on_a_node("node.labels.zone==a"));
        assert!(on_a_node("engine.labels.zone!=a"));
    }

    #[test]
    fn an_architecture_goes_by_all_its_names() {
        assert!(on_a_node("node.platform.arch==amd64"));
        assert!(on_a_node("node.platform.arch==x86_64"));
        assert!(!on_a_node("node.platform.arch==arm64"));
    }

    #[test]
    fn an_address_may_be_compared_with_a_network() {
        assert!(on_a_node("node.ip==10.1.2.3"));
        assert!(on_a_node("node.ip==10.0.0.0/8"));
        assert!(on_a_node("node.ip==0.0.0.0/0"));
        assert!(on_a_node("node.ip!=10.2.0.0/16"));
        assert!(!on_a_node("node.ip==fd00::/8"));
    }

    #[test]
    fn no_address_compares_with_what_is_none() {
        assert!(!on_a_node("node.ip==10.0.0.0/33"));
        assert!(!on_a_node("node.ip!=everything"));
    }

    #[test]
    fn one_of_several_values_is_enough_and_one_too_many_is_too_much() {
        assert!(on_a_node("node.labels.disk in (hdd,ssd)"));
        assert!(!on_a_node("node.labels.disk in (hdd,nvme)"));
        assert!(!on_a_node("node.labels.disk notin (hdd,ssd)"));
        assert!(on_a_node("node.labels.zone notin (a,b)"), "a label that is missing");
        assert!(!on_a_node("node.labels.zone in (a,b)"));
        assert!(on_a_node("node.ip in (192.0.2.1,10.1.0.0/16)"));
        assert!(!on_a_node("node.ip notin (10.2.0.0/16,everything)"));
        assert!(on_a_node("node.platform.arch in (arm64,x86_64)"));
    }

    #[test]
    fn a_pattern_matches_anywhere_unless_it_says_where() {
        assert!(on_a_node("node.labels.disk=~s"));
        assert!(!on_a_node("node.labels.disk=~^s$"));
        assert!(on_a_node("node.labels.disk=~^ss[a-d]$"));
        assert!(on_a_node("node.labels.zone=~^$"), "a label that is missing is empty");
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_nothing_else_is() {
        assert!(on_a_node("node.labels.cores>9") && on_a_node("node.labels.cores>15.9"));
        assert!(!on_a_node("node.labels.cores>16") && !on_a_node("node.labels.cores<16"));
        assert!(on_a_node("node.labels.cores<100"));
        assert!(!on_a_node("node.labels.disk<9") && !on_a_node("node.labels.disk>-9"));
        assert!(!on_a_node("node.labels.zone<9"));
    }
}
