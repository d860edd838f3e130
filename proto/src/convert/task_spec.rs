//! What each task of a service is.

use super::{bounds, container, resources, restart};
use crate::{
    model::{Name, NetworkAttachment, Problems, TaskNetwork, TaskSpec},
    wire,
};

impl From<&TaskSpec> for wire::TaskSpec {
    fn from(task: &TaskSpec) -> Self {
        wire::TaskSpec {
            container: Some((&task.container).into()),
            limits: Some((&task.limits).into()),
            reservations: Some((&task.reservations).into()),
            restart: Some((&task.restart).into()),
            constraints: task.constraints.iter().map(ToString::to_string).collect(),
            preferences: task.preferences.iter().map(ToString::to_string).collect(),
            max_replicas_per_node: task.max_replicas_per_node.unwrap_or(0),
            network: wire::TaskNetwork::from(task.network).into(),
            log: Some((&task.log).into()),
            force_update: task.force_update,
            attachments: task.attachments.iter().map(wire::NetworkAttachment::from).collect(),
        }
    }
}

impl From<TaskNetwork> for wire::TaskNetwork {
    fn from(network: TaskNetwork) -> Self {
        match network {
            TaskNetwork::Node => wire::TaskNetwork::Node,
            TaskNetwork::Host => wire::TaskNetwork::Host,
            TaskNetwork::None => wire::TaskNetwork::None,
        }
    }
}

/// Reads what each task is, noting every problem.
pub(super) fn task_spec(wire: wire::TaskSpec, problems: &mut Problems) -> TaskSpec {
    bounds::count("--constraint", wire.constraints.len(), problems);
    bounds::count("--placement-pref", wire.preferences.len(), problems);
    let task = TaskSpec {
        container: container::container(wire.container.unwrap_or_default(), problems),
        limits: resources::limits(&wire.limits.unwrap_or_default(), problems),
        reservations: resources::reservations(&wire.reservations.unwrap_or_default(), problems),
        restart: restart::restart(wire.restart, problems),
        constraints: problems.take_all("--constraint", wire.constraints.iter().map(|text| text.parse())),
        preferences: problems.take_all("--placement-pref", wire.preferences.iter().map(|text| text.parse())),
        max_replicas_per_node: Some(wire.max_replicas_per_node).filter(|&most| most > 0),
        network: network(wire.network, problems),
        log: restart::log(wire.log, problems),
        force_update: wire.force_update,
        attachments: attachments(wire.attachments, problems),
    };
    let of_network = task.container.sysctls.iter().find(|setting| setting.is_of_network());
    if let (TaskNetwork::Host, Some(setting)) = (task.network, of_network) {
        let name = setting.name();
        problems.add(
            "--sysctl",
            format!("`{name}` would be the node's own with --network host: set it on the nodes"),
        );
    }
    task
}

fn network(number: i32, problems: &mut Problems) -> TaskNetwork {
    match wire::TaskNetwork::try_from(number) {
        Ok(wire::TaskNetwork::Node) => TaskNetwork::Node,
        Ok(wire::TaskNetwork::Host) => TaskNetwork::Host,
        Ok(wire::TaskNetwork::None) => TaskNetwork::None,
        Err(_) => {
            problems.add(
                "--network",
                format!("network kind {number} is not known: use host or none, or leave it out"),
            );
            TaskNetwork::default()
        }
    }
}

impl From<&NetworkAttachment> for wire::NetworkAttachment {
    fn from(attachment: &NetworkAttachment) -> Self {
        wire::NetworkAttachment {
            network: attachment.network.to_string(),
            aliases: attachment.aliases.iter().map(Name::to_string).collect(),
        }
    }
}

/// Reads the networks of a service, which the managers have found by name before.
fn attachments(wires: Vec<wire::NetworkAttachment>, problems: &mut Problems) -> Vec<NetworkAttachment> {
    bounds::count("--network", wires.len(), problems);
    let mut attachments: Vec<NetworkAttachment> = Vec::new();
    for wire in wires {
        let aliases = problems.take_all("--network", wire.aliases.into_iter().map(Name::try_from));
        let Some(network) = problems.take("--network", wire.network.parse()) else { continue };
        if attachments.iter().any(|known| known.network == network) {
            problems.add("--network", format!("network {network} is given twice"));
        }
        attachments.push(NetworkAttachment { network, aliases: aliases.into_iter().collect() });
    }
    attachments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_placement_is_named_with_its_option() {
        let mut problems = Problems::default();
        let wire = wire::TaskSpec {
            constraints: vec!["node.role=manager".into(), "node.rol==x".into()],
            preferences: vec!["binpack".into()],
            network: 9,
            container: Some(wire::ContainerSpec { image: "nginx".into(), ..Default::default() }),
            ..Default::default()
        };
        task_spec(wire, &mut problems);
        let options: Vec<&str> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(options, ["--constraint", "--constraint", "--placement-pref", "--network"]);
    }
}
