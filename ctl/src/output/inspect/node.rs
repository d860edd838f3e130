//! A node as docker's API describes it.

use super::{Version, sorted};
use crate::output::{nodes, states, times};
use proto::wire::{Node, NodeDescription};
use serde::Serialize;
use std::collections::BTreeMap;

/// One node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectedNode {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: String,
    updated_at: String,
    spec: Spec,
    description: Description,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_status: Option<ManagerStatus>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    labels: BTreeMap<String, String>,
    role: &'static str,
    availability: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    hostname: String,
    platform: Platform,
    resources: Resources,
    engine: Engine,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Platform {
    architecture: String,
    #[serde(rename = "OS")]
    os: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resources {
    #[serde(rename = "NanoCPUs")]
    nano_cpus: u64,
    memory_bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Engine {
    engine_version: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    addr: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManagerStatus {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    leader: bool,
    reachability: &'static str,
    addr: String,
}

impl From<Node> for InspectedNode {
    fn from(node: Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        let status = node.status.unwrap_or_default();
        InspectedNode {
            id: node.id,
            version: Version { index: node.version },
            created_at: times::rfc3339(node.created_at),
            updated_at: times::rfc3339(node.updated_at),
            spec: Spec {
                labels: sorted(&spec.labels),
                role: states::role(spec.role()),
                availability: states::availability(spec.availability()),
            },
            description: description(node.description.unwrap_or_default()),
            status: Status {
                state: states::node(status.state()),
                message: status.message,
                addr: status.addr,
            },
            manager_status: node.manager.map(|manager| ManagerStatus {
                leader: manager.leader,
                reachability: nodes::reachability(&manager),
                addr: manager.addr,
            }),
        }
    }
}

fn description(description: NodeDescription) -> Description {
    Description {
        hostname: description.hostname,
        platform: Platform { architecture: description.arch, os: description.os },
        resources: Resources { nano_cpus: description.nano_cpus, memory_bytes: description.memory_bytes },
        engine: Engine { engine_version: description.version, labels: sorted(&description.engine_labels) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{fixtures, json};

    #[test]
    fn a_node_is_described_as_docker_describes_it() {
        let text = json::indented(&[InspectedNode::from(fixtures::node(1))]).unwrap();
        assert_eq!(text, include_str!("node.golden.json"));
    }
}
