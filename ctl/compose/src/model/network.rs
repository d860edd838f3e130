//! Networks, and a service's places in them.

use super::project::external;
use crate::{fields::Fields, node::Node, place::At, report::Report};

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its key, where it stands.
    pub key: At<String>,
    /// Its name in the cluster, if it is not made of the project's.
    pub name: Option<At<String>>,
    /// Whether it is there already.
    pub external: bool,
    /// Its driver.
    pub driver: Option<At<String>>,
    /// The driver's options.
    pub driver_opts: Vec<(String, At<String>)>,
    /// Whether it leads nowhere else.
    pub internal: Option<At<bool>>,
    /// Whether tasks may be connected to it by hand.
    pub attachable: Option<At<bool>>,
    /// Whether it has IPv6 addresses.
    pub enable_ipv6: Option<At<bool>>,
    /// Its addresses.
    pub ipam: Ipam,
    /// Its labels.
    pub labels: Vec<(String, At<String>)>,
}

/// Where a network's addresses come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ipam {
    /// Its subnets.
    pub pools: Vec<Pool>,
}

/// One subnet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pool {
    /// The subnet.
    pub subnet: Option<At<String>>,
    /// Its router.
    pub gateway: Option<At<String>>,
    /// The part of it that containers get.
    pub ip_range: Option<At<String>>,
    /// Addresses of it that are others'.
    pub aux_addresses: Vec<(String, At<String>)>,
}

/// A service's place in a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// The network's key.
    pub network: At<String>,
    /// Further names there.
    pub aliases: Vec<At<String>>,
}

impl Network {
    pub(super) fn read(key: At<String>, node: &Node, report: &Report) -> Option<Network> {
        let nothing = Node::new(crate::Value::Map(Default::default()), node.place.clone());
        let fields = Fields::of(if node.is_null() { &nothing } else { node }, key.path.clone(), report)?;
        let mut name = fields.text("name");
        let external = external(&fields, &mut name);
        let network = Network {
            key,
            name,
            external,
            driver: fields.text("driver"),
            driver_opts: fields.pairs("driver_opts"),
            internal: fields.truth("internal"),
            attachable: fields.truth("attachable"),
            enable_ipv6: fields.truth("enable_ipv6"),
            ipam: fields.fields("ipam").map(ipam).unwrap_or_default(),
            labels: fields.pairs("labels"),
        };
        fields.not_honoured(&[("enable_ipv4", "every network has IPv4")]);
        fields.finish();
        Some(network)
    }
}

fn ipam(fields: Fields) -> Ipam {
    let pool = |fields: Fields| {
        let pool = Pool {
            subnet: fields.text("subnet"),
            gateway: fields.text("gateway"),
            ip_range: fields.text("ip_range"),
            aux_addresses: fields.pairs("aux_addresses"),
        };
        fields.finish();
        pool
    };
    let pools = fields.list("config").into_iter().map(pool).collect();
    if fields.text("driver").is_some_and(|driver| *driver == "default") {
        fields.accepted(&["driver"]);
    } else {
        fields.not_honoured(&[("driver", "addresses are always the cluster's own to give")]);
    }
    fields.not_honoured(&[("options", "addresses are always the cluster's own to give")]);
    fields.finish();
    Ipam { pools }
}

/// The networks of a service.
pub(super) fn attachments(service: &Fields) -> Vec<Attachment> {
    let entries = service.entries("networks").into_iter();
    entries
        .filter_map(|(network, node)| {
            if node.is_null() {
                return Some(Attachment { network, aliases: Vec::new() });
            }
            let fields = Fields::of(node, network.path.clone(), service.report)?;
            let aliases = fields.texts("aliases");
            let fixed = "a service has as many addresses as tasks, and the cluster gives them";
            fields.not_honoured(&[
                ("ipv4_address", fixed),
                ("ipv6_address", fixed),
                ("link_local_ips", fixed),
                ("mac_address", fixed),
                ("driver_opts", "no driver of ours has options for one service"),
                ("priority", "the networks of a service are all the same to it"),
                ("gw_priority", "the way out is by the first network that leads out"),
                ("interface_name", "interfaces are named by the cluster"),
            ]);
            fields.finish();
            Some(Attachment { network, aliases })
        })
        .collect()
}
