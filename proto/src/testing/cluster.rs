//! Nodes, and the cluster's settings.

use super::{id, text, timestamp};
use crate::model::{
    AddressPools, Availability, ClusterSpec, ManagerStatus, Node, NodeDescription, NodeSpec, NodeState,
    NodeStatus, Role,
};
use proptest::{option, prelude::*, sample::select};
use std::net::IpAddr;

/// Any node.
pub fn node() -> impl Strategy<Value = Node> {
    let object = (id(), any::<u64>(), timestamp(), timestamp());
    let manager = (any::<u64>(), "[a-z0-9.]{1,10}:[1-9][0-9]{0,3}")
        .prop_map(|(raft_id, addr)| ManagerStatus { raft_id, addr });
    (object, node_spec(), option::of(node_description()), node_status(), option::of(manager)).prop_map(
        |((id, version, created_at, updated_at), spec, description, status, manager)| Node {
            id,
            version,
            created_at,
            updated_at,
            spec,
            description,
            status,
            manager,
        },
    )
}

/// What people may decide about a node.
pub fn node_spec() -> impl Strategy<Value = NodeSpec> {
    let role = select(vec![Role::Worker, Role::Manager]);
    let availability = select(vec![Availability::Active, Availability::Pause, Availability::Drain]);
    (text::labels(), role, availability).prop_map(|(labels, role, availability)| NodeSpec {
        labels,
        role,
        availability,
    })
}

/// What a node may say of itself.
pub fn node_description() -> impl Strategy<Value = NodeDescription> {
    let platform = ("[a-z0-9-]{1,12}", "[a-z]{1,8}", "[a-z0-9]{1,8}", "[0-9]\\.[0-9]\\.[0-9]");
    (platform, any::<u64>(), any::<u64>(), text::labels(), any::<u32>(), any::<Option<IpAddr>>()).prop_map(
        |(
            (hostname, os, arch, version),
            nano_cpus,
            memory_bytes,
            engine_labels,
            feature_level,
            data_path_addr,
        )| {
            NodeDescription {
                hostname,
                os,
                arch,
                nano_cpus,
                memory_bytes,
                version,
                engine_labels,
                feature_level,
                data_path_addr,
                local_subnets: Default::default(),
                container_subnets: Default::default(),
                addresses: Default::default(),
            }
        },
    )
}

/// What may be observed of a node.
pub fn node_status() -> impl Strategy<Value = NodeStatus> {
    let state = select(vec![NodeState::Unknown, NodeState::Down, NodeState::Ready]);
    (state, "\\PC{0,20}", any::<Option<IpAddr>>(), timestamp())
        .prop_map(|(state, message, addr, since)| NodeStatus { state, message, addr, since })
}

/// Settings in their bounds.
pub fn cluster_spec() -> impl Strategy<Value = ClusterSpec> {
    let address_pools = select(vec![
        AddressPools::default(),
        AddressPools {
            ipv4: vec![
                "10.20.0.0/16".parse().expect("it is one"),
                "172.20.0.0/14".parse().expect("it is one"),
            ],
            ipv6: vec!["fd00:20::/48".parse().expect("it is one")],
            mask_length: 26,
        },
    ]);
    (any::<u32>(), text::span(100), text::span(3_600_000), 1..=u64::MAX, address_pools).prop_map(
        |(task_history_limit, heartbeat_period, cert_expiry, snapshot_interval, address_pools)| ClusterSpec {
            task_history_limit,
            heartbeat_period,
            cert_expiry,
            snapshot_interval,
            address_pools,
        },
    )
}
