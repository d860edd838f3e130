//! A node for people.

use super::label_lines;
use crate::output::{nodes, quote, sizes, states, times};
use proto::wire::Node;

/// Writes a node.
pub fn node(node: &Node) -> String {
    let spec = node.spec.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let description = node.description.clone().unwrap_or_default();
    let mut text = format!("ID:\t\t\t{}\n", node.id);
    if !spec.labels.is_empty() {
        text += &format!("Labels:\n{}", label_lines(&spec.labels, " - "));
    }
    text += &format!("Hostname:              \t{}\n", description.hostname);
    text += &format!("Joined at:             \t{}\n", times::go_text(node.created_at).to_lowercase());
    text += &format!("Status:\n State:\t\t\t{}\n", quote::capitalised(states::node(status.state())));
    if !status.message.is_empty() {
        text += &format!(" Message:              \t{}\n", quote::capitalised(&status.message));
    }
    text += &format!(
        " Availability:         \t{}\n",
        quote::capitalised(states::availability(spec.availability()))
    );
    if !status.addr.is_empty() {
        text += &format!(" Address:\t\t{}\n", status.addr);
    }
    if let Some(manager) = &node.manager {
        let reachability = quote::capitalised(nodes::reachability(manager));
        let leader = if manager.leader { "Yes" } else { "No" };
        text += &format!(
            "Manager Status:\n Address:\t\t{}\n Raft Status:\t\t{reachability}\n Leader:\t\t{leader}\n",
            manager.addr
        );
    }
    text += &format!(
        "Platform:\n Operating System:\t{}\n Architecture:\t\t{}\n",
        description.os, description.arch
    );
    let (cpus, memory) = (description.nano_cpus / 1_000_000_000, sizes::binary(description.memory_bytes));
    text += &format!("Resources:\n CPUs:\t\t\t{cpus}\n Memory:\t\t{memory}\n");
    text += &format!("Engine Version:\t\t{}\n", description.version);
    if !description.engine_labels.is_empty() {
        text += &format!("Engine Labels:\n{}", label_lines(&description.engine_labels, " - "));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::output::fixtures;

    #[test]
    fn a_node_has_dockers_layout() {
        let expected = "\
ID:\t\t\tnode100000000000000000000
Labels:
 - disk=ssd
Hostname:              \thost-1
Joined at:             \t2023-11-13 22:13:20 +0000 utc
Status:
 State:\t\t\tReady
 Availability:         \tActive
 Address:\t\t10.0.0.1
Manager Status:
 Address:\t\t10.0.0.1:2377
 Raft Status:\t\tReachable
 Leader:\t\tYes
Platform:
 Operating System:\tlinux
 Architecture:\t\tamd64
Resources:
 CPUs:\t\t\t4
 Memory:\t\t8GiB
Engine Version:\t\t0.1.0
Engine Labels:
 - zone=a
";
        assert_eq!(super::node(&fixtures::node(1)), expected);
    }
}
