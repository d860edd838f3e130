//! Nodes: what people decide about them, what they say of themselves, and what is observed.

use super::{
    bounds,
    error::{WireError, known, present, well_formed},
};
use crate::{
    model::{
        Availability, ManagerStatus, Node, NodeDescription, NodeSpec, NodeState, NodeStatus, Problems, Role,
        Timestamp,
    },
    wire,
};
use std::net::{AddrParseError, IpAddr};

impl From<Role> for wire::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Worker => wire::Role::Worker,
            Role::Manager => wire::Role::Manager,
        }
    }
}

impl From<Availability> for wire::Availability {
    fn from(availability: Availability) -> Self {
        match availability {
            Availability::Active => wire::Availability::Active,
            Availability::Pause => wire::Availability::Pause,
            Availability::Drain => wire::Availability::Drain,
        }
    }
}

impl From<NodeState> for wire::NodeState {
    fn from(state: NodeState) -> Self {
        match state {
            NodeState::Unknown => wire::NodeState::Unknown,
            NodeState::Down => wire::NodeState::Down,
            NodeState::Ready => wire::NodeState::Ready,
        }
    }
}

impl From<&NodeSpec> for wire::NodeSpec {
    fn from(spec: &NodeSpec) -> Self {
        wire::NodeSpec {
            labels: spec.labels.clone().into_iter().collect(),
            role: wire::Role::from(spec.role).into(),
            availability: wire::Availability::from(spec.availability).into(),
        }
    }
}

impl From<&NodeDescription> for wire::NodeDescription {
    fn from(description: &NodeDescription) -> Self {
        wire::NodeDescription {
            hostname: description.hostname.clone(),
            os: description.os.clone(),
            arch: description.arch.clone(),
            nano_cpus: description.nano_cpus,
            memory_bytes: description.memory_bytes,
            version: description.version.clone(),
            engine_labels: description.engine_labels.clone().into_iter().collect(),
            feature_level: description.feature_level,
            data_path_addr: text(description.data_path_addr),
            local_subnets: description.local_subnets.iter().map(ToString::to_string).collect(),
            container_subnets: description.container_subnets.iter().map(ToString::to_string).collect(),
            addresses: description.addresses.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&NodeStatus> for wire::NodeStatus {
    fn from(status: &NodeStatus) -> Self {
        wire::NodeStatus {
            state: wire::NodeState::from(status.state).into(),
            message: status.message.clone(),
            addr: text(status.addr),
            since: status.since.0,
        }
    }
}

impl From<&ManagerStatus> for wire::ManagerStatus {
    /// Leaves `leader` and `reachable` false: the answering manager fills them in.
    fn from(manager: &ManagerStatus) -> Self {
        wire::ManagerStatus {
            raft_id: manager.raft_id,
            addr: manager.addr.clone(),
            leader: false,
            reachable: false,
        }
    }
}

impl From<&Node> for wire::Node {
    /// Leaves `leader` and `reachable` of a manager false: the answering manager fills them in.
    fn from(node: &Node) -> Self {
        wire::Node {
            id: node.id.to_string(),
            version: node.version,
            created_at: node.created_at.0,
            updated_at: node.updated_at.0,
            spec: Some((&node.spec).into()),
            description: node.description.as_ref().map(wire::NodeDescription::from),
            status: Some((&node.status).into()),
            manager: node.manager.as_ref().map(wire::ManagerStatus::from),
        }
    }
}

/// Reads a role that a machine sent, naming `field` if it is not there or not known.
pub fn role(field: &'static str, number: i32) -> Result<Role, WireError> {
    match known(field, number)? {
        wire::Role::Worker => Ok(Role::Worker),
        wire::Role::Manager => Ok(Role::Manager),
        wire::Role::Unspecified => Err(WireError::Missing { field }),
    }
}

/// Reads an availability that need not be given, as when a node joins: it is active then.
pub fn availability_or_active(field: &'static str, number: i32) -> Result<Availability, WireError> {
    match availability(field, number) {
        Err(WireError::Missing { .. }) => Ok(Availability::Active),
        result => result,
    }
}

fn availability(field: &'static str, number: i32) -> Result<Availability, WireError> {
    match known(field, number)? {
        wire::Availability::Active => Ok(Availability::Active),
        wire::Availability::Pause => Ok(Availability::Pause),
        wire::Availability::Drain => Ok(Availability::Drain),
        wire::Availability::Unspecified => Err(WireError::Missing { field }),
    }
}

impl TryFrom<wire::NodeSpec> for NodeSpec {
    type Error = Problems;

    /// Role and availability must be given: with a default, leaving one out of an update would
    /// demote a manager or undo a drain.
    fn try_from(wire: wire::NodeSpec) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let labels = bounds::labels("--label-add", wire.labels, &mut problems);
        let role = role("role", wire.role).ok();
        if role.is_none() {
            problems.add("--role", "must be given: use worker or manager");
        }
        let availability = availability("availability", wire.availability).ok();
        if availability.is_none() {
            problems.add("--availability", "must be given: use active, pause or drain");
        }
        match (role, availability) {
            (Some(role), Some(availability)) => problems.finish(NodeSpec { labels, role, availability }),
            _ => Err(problems),
        }
    }
}

impl TryFrom<wire::NodeDescription> for NodeDescription {
    type Error = WireError;

    fn try_from(wire: wire::NodeDescription) -> Result<Self, WireError> {
        Ok(NodeDescription {
            hostname: wire.hostname,
            os: wire.os,
            arch: wire.arch,
            nano_cpus: wire.nano_cpus,
            memory_bytes: wire.memory_bytes,
            version: wire.version,
            engine_labels: wire.engine_labels.into_iter().collect(),
            feature_level: wire.feature_level,
            data_path_addr: well_formed("data_path_addr", addr(&wire.data_path_addr))?,
            local_subnets: well_formed(
                "local_subnets",
                wire.local_subnets.iter().map(|subnet| subnet.parse()).collect(),
            )?,
            container_subnets: well_formed(
                "container_subnets",
                wire.container_subnets.iter().map(|subnet| subnet.parse()).collect(),
            )?,
            addresses: well_formed(
                "addresses",
                wire.addresses.iter().map(|address| address.parse()).collect(),
            )?,
        })
    }
}

impl TryFrom<wire::NodeStatus> for NodeStatus {
    type Error = WireError;

    fn try_from(wire: wire::NodeStatus) -> Result<Self, WireError> {
        let state = match known("state", wire.state)? {
            wire::NodeState::Unknown => NodeState::Unknown,
            wire::NodeState::Down => NodeState::Down,
            wire::NodeState::Ready => NodeState::Ready,
        };
        let addr = well_formed("addr", addr(&wire.addr))?;
        Ok(NodeStatus { state, message: wire.message, addr, since: Timestamp(wire.since) })
    }
}

impl TryFrom<wire::Node> for Node {
    type Error = WireError;

    fn try_from(wire: wire::Node) -> Result<Self, WireError> {
        Ok(Node {
            id: well_formed("id", wire.id.parse())?,
            version: wire.version,
            created_at: Timestamp(wire.created_at),
            updated_at: Timestamp(wire.updated_at),
            spec: well_formed("spec", present("spec", wire.spec)?.try_into())?,
            description: wire.description.map(NodeDescription::try_from).transpose()?,
            status: present("status", wire.status)?.try_into()?,
            manager: wire
                .manager
                .map(|manager| ManagerStatus { raft_id: manager.raft_id, addr: manager.addr }),
        })
    }
}

fn text(addr: Option<IpAddr>) -> String {
    addr.map(|addr| addr.to_string()).unwrap_or_default()
}

fn addr(text: &str) -> Result<Option<IpAddr>, AddrParseError> {
    Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_node_comes_back_from_the_wire_unchanged(node in testing::node()) {
            prop_assert_eq!(Node::try_from(wire::Node::from(&node)).unwrap(), node);
        }
    }

    #[test]
    fn a_node_spec_without_role_and_availability_is_refused() {
        let problems = NodeSpec::try_from(wire::NodeSpec::default()).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "--role: must be given: use worker or manager\n\
             --availability: must be given: use active, pause or drain"
        );
    }

    #[test]
    fn a_malformed_node_is_refused_with_the_field_named() {
        let node = wire::Node::from(&testing::sample(testing::node()));
        let bad_state = wire::NodeStatus { state: 9, ..Default::default() };
        let bad_addr = wire::NodeStatus { addr: "here".into(), ..Default::default() };
        for (bad, field) in [
            (wire::Node { id: "x".into(), ..node.clone() }, "id"),
            (wire::Node { spec: None, ..node.clone() }, "spec"),
            (wire::Node { status: Some(bad_state), ..node.clone() }, "state"),
            (wire::Node { status: Some(bad_addr), ..node.clone() }, "addr"),
        ] {
            let error = Node::try_from(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("field `{field}`")), "{field}: {error}");
        }
    }

    #[test]
    fn a_node_that_joins_without_an_availability_is_active() {
        assert_eq!(availability_or_active("availability", 0).unwrap(), Availability::Active);
        assert_eq!(availability_or_active("availability", 3).unwrap(), Availability::Drain);
        assert!(matches!(
            availability_or_active("availability", 9),
            Err(WireError::UnknownNumber { field: "availability", number: 9 })
        ));
        assert!(matches!(role("role", 0), Err(WireError::Missing { field: "role" })));
    }
}
