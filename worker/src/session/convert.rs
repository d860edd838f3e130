//! What the agent and the managers say, between the wire's form and the agent's.

use super::message;
use crate::connect::ManagerPeer;
use proto::{
    convert::WireError,
    model::{Role, TaskId, TaskStatus},
    wire::{self, AgentMessage, agent_message},
};
use worker_core::{
    agent::{Assignments, Report},
    payloads,
    tables::Told,
};

/// A report as it goes out.
pub(super) fn report(report: &Report) -> AgentMessage {
    let task = |(id, status): &(TaskId, TaskStatus)| wire::TaskReport {
        task_id: id.to_string(),
        status: Some(status.into()),
    };
    let tasks = report.tasks.iter().map(task).collect();
    message(agent_message::Kind::Report(wire::StatusReport { sequence: report.sequence, tasks }))
}

/// Assignments as they came: networks, secrets and configs, and the tasks that may need them.
pub(super) fn assignments(told: wire::Assignments) -> Result<(Told, payloads::Told, Assignments), WireError> {
    let task = |text: String| text.parse().map_err(|source| malformed("remove", source));
    let network = |text: String| text.parse().map_err(|source| malformed("remove_networks", source));
    let networks = Told {
        full: told.full,
        updates: told.networks.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        remove: told.remove_networks.into_iter().map(network).collect::<Result<_, _>>()?,
    };
    let tasks = Assignments {
        full: told.full,
        sequence: told.sequence,
        put: told.put.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        remove: told.remove.into_iter().map(task).collect::<Result<_, _>>()?,
    };
    let payloads = payloads::Told {
        full: told.full,
        put: told.payloads.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        remove: told.remove_payloads.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
    };
    Ok((networks, payloads, tasks))
}

/// The managers, and what this node is to be.
pub(super) fn managers(told: wire::ManagerList) -> Result<(Vec<ManagerPeer>, Role), WireError> {
    let role = match wire::Role::try_from(told.role) {
        Ok(wire::Role::Manager) => Role::Manager,
        Ok(wire::Role::Worker) => Role::Worker,
        Ok(wire::Role::Unspecified) | Err(_) => {
            return Err(WireError::UnknownNumber { field: "role", number: told.role });
        }
    };
    let peer = |peer: wire::ManagerPeer| {
        let node = peer.node_id.parse().map_err(|source| malformed("node_id", source))?;
        Ok(ManagerPeer { node, addr: peer.addr })
    };
    Ok((told.managers.into_iter().map(peer).collect::<Result<_, _>>()?, role))
}

fn malformed(field: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> WireError {
    WireError::Malformed { field, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{
        model::{NetworkId, NodeId, PayloadId, Task},
        testing,
    };

    #[test]
    fn assignments_are_taken_whole_or_not_at_all() {
        let task: Task = testing::sample(testing::task());
        let gone = TaskId::from_bits(9);
        let delivery = testing::sample(testing::payload_delivery());
        let told = wire::Assignments {
            full: true,
            sequence: 4,
            put: vec![(&task).into()],
            remove: vec![gone.to_string()],
            networks: Vec::new(),
            remove_networks: vec![NetworkId::from_bits(5).to_string()],
            payloads: vec![(&delivery).into()],
            remove_payloads: vec![(PayloadId::from_bits(6), 7).into()],
        };
        let networks = Told { full: true, updates: Vec::new(), remove: vec![NetworkId::from_bits(5)] };
        let tasks = Assignments { full: true, sequence: 4, put: vec![task], remove: vec![gone] };
        let payloads =
            payloads::Told { full: true, put: vec![delivery], remove: vec![(PayloadId::from_bits(6), 7)] };
        assert_eq!(assignments(told.clone()).unwrap(), (networks, payloads, tasks));
        let damaged = wire::Assignments { payloads: vec![wire::PayloadDelivery::default()], ..told.clone() };
        assert!(assignments(damaged).is_err());
        let damaged = wire::Assignments { remove: vec!["x".into()], ..told.clone() };
        assert!(assignments(damaged).is_err());
        let damaged = wire::Assignments { networks: vec![wire::NetworkUpdate::default()], ..told };
        assert!(assignments(damaged).is_err());
    }

    #[test]
    fn a_list_of_managers_without_a_role_is_refused() {
        let node = NodeId::from_bits(3);
        let peer = wire::ManagerPeer { node_id: node.to_string(), addr: "192.0.2.1:2377".into() };
        let list = |role: wire::Role| wire::ManagerList { managers: vec![peer.clone()], role: role.into() };
        let known = ManagerPeer { node, addr: "192.0.2.1:2377".into() };
        assert_eq!(managers(list(wire::Role::Manager)).unwrap(), (vec![known], Role::Manager));
        assert!(managers(list(wire::Role::Unspecified)).is_err());
    }
}
