//! What the nodes have of networks, compared with what they should have.

use super::{quote, times};
use proto::wire::{CheckedNode, NetworkFinding};
use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// A node that was asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Checked {
    #[serde(rename = "NodeID")]
    node_id: String,
    node: String,
    /// Why it did not answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    silence: String,
    networks: Vec<CheckedNetwork>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CheckedNetwork {
    /// Empty, as is the name: the node's own.
    #[serde(rename = "ID")]
    id: String,
    name: String,
    differences: Vec<String>,
    repairs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_repair: Option<String>,
}

/// Says that networks are not as they should be, or that it can't be known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct NetworksDiffer {
    differences: usize,
    silent: usize,
}

impl fmt::Display for NetworksDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match self.differences {
            0 => None,
            1 => Some("1 difference was found".to_owned()),
            more => Some(format!("{more} differences were found")),
        };
        let silent = (self.silent > 0).then(|| format!("{} could not be asked", count(self.silent, "node")));
        let parts: Vec<String> = found.into_iter().chain(silent).collect();
        f.write_str(&parts.join(", and "))
    }
}

impl From<CheckedNode> for Checked {
    fn from(node: CheckedNode) -> Self {
        let network = |found: NetworkFinding| CheckedNetwork {
            id: found.network_id,
            name: found.name,
            differences: found.differences,
            repairs: found.repairs,
            last_repair: found.last_repair.map(times::rfc3339),
        };
        Self {
            node: name(&node).to_owned(),
            node_id: node.node_id,
            silence: node.silence,
            networks: node.networks.into_iter().map(network).collect(),
        }
    }
}

/// Returns what is to be complained of; `None` if all is as it should be.
pub fn differ(nodes: &[CheckedNode]) -> Option<NetworksDiffer> {
    let differences = nodes.iter().flat_map(|node| &node.networks).map(|found| found.differences.len()).sum();
    let silent = nodes.iter().filter(|node| !node.silence.is_empty()).count();
    (differences + silent > 0).then_some(NetworksDiffer { differences, silent })
}

/// A line for each difference, each node that said nothing, and each network of which something was put back. `asked` is
/// the network that was asked about, empty for all.
pub fn text(nodes: &[CheckedNode], asked: &str, now_ms: i64) -> String {
    if nodes.is_empty() && !asked.is_empty() {
        return format!("no node takes part in {}\n", quote::one_line(asked));
    }
    let mut lines = Vec::new();
    for node in nodes {
        let name = name(node);
        if !node.silence.is_empty() {
            lines.push(format!("node {name}: not checked: {}", quote::one_line(&node.silence)));
        }
        for found in &node.networks {
            let network = title(found);
            let told = found.differences.iter().map(|said| quote::one_line(said));
            lines.extend(told.map(|said| format!("node {name}: {network}: {said}")));
            if let Some(at) = found.last_repair {
                let (times, ago) = (count_times(found.repairs), times::ago(at, now_ms));
                lines.push(format!("node {name}: {network}: put back {times} what was lost, last {ago}"));
            }
        }
    }
    if differ(nodes).is_none() {
        let ids: BTreeSet<(&str, &str)> = nodes
            .iter()
            .flat_map(|node| &node.networks)
            .map(|found| (found.network_id.as_str(), found.name.as_str()))
            .collect();
        let (networks, nodes) = (count(ids.len(), "network"), count(nodes.len(), "node"));
        let said = if ids.len() == 1 { "is as it should be" } else { "are as they should be" };
        lines.push(format!("{networks} {said} on {nodes}"));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn name(node: &CheckedNode) -> &str {
    if node.hostname.is_empty() { &node.node_id } else { &node.hostname }
}

fn title(found: &NetworkFinding) -> String {
    match (found.name.as_str(), found.network_id.as_str()) {
        ("", "") => "the node's own network".to_owned(),
        ("", id) => format!("network {id}"),
        (name, _) => format!("network {name}"),
    }
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn count_times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(differences: &[&str], repairs: u64) -> CheckedNode {
        let found = NetworkFinding {
            network_id: "id".into(),
            name: "front".into(),
            differences: differences.iter().map(ToString::to_string).collect(),
            repairs,
            last_repair: (repairs > 0).then_some(1_000_000),
        };
        CheckedNode { hostname: "w1".into(), networks: vec![found], ..CheckedNode::default() }
    }

    #[test]
    fn what_was_put_back_is_told_and_is_no_difference() {
        let nodes = [node(&[], 2), node(&[], 0)];
        let expected = "node w1: network front: put back 2 times what was lost, last 5 seconds ago\n\
                        1 network is as it should be on 2 nodes\n";
        assert_eq!(text(&nodes, "front", 1_005_000), expected);
        assert_eq!(differ(&nodes), None);
    }

    #[test]
    fn a_network_without_nodes_is_said_to_have_none() {
        assert_eq!(text(&[], "front", 0), "no node takes part in front\n");
        assert_eq!(differ(&[]), None);
    }

    #[test]
    fn the_complaint_counts_differences_and_silent_nodes() {
        let silent = CheckedNode { silence: "it is late".into(), ..node(&[], 0) };
        let said = |nodes: &[CheckedNode]| differ(nodes).map(|differ| differ.to_string()).unwrap_or_default();
        assert_eq!(said(&[node(&["a", "b"], 0)]), "2 differences were found");
        assert_eq!(said(&[silent.clone(), silent.clone()]), "2 nodes could not be asked");
        assert_eq!(said(&[node(&["a"], 0), silent]), "1 difference was found, and 1 node could not be asked");
    }

    #[test]
    fn programs_are_told_everything() {
        let json = serde_json::to_string(&Checked::from(node(&["a"], 1))).unwrap();
        let expected = "{\"NodeID\":\"\",\"Node\":\"w1\",\"Networks\":[{\"ID\":\"id\",\"Name\":\"front\",\
                        \"Differences\":[\"a\"],\"Repairs\":1,\"LastRepair\":\"1970-01-01T00:16:40Z\"}]}";
        assert_eq!(json, expected);
    }
}
