//! Tasks and what is observed of them, as managers and agents exchange them.

use super::error::{WireError, known, present, well_formed};
use crate::{
    model::{
        DesiredState, ExitStatus, HealthStatus, ServiceSpec, SlotKey, Task, TaskState, TaskStatus, Timestamp,
    },
    wire,
};
use std::sync::Arc;

impl From<&Task> for wire::Task {
    fn from(task: &Task) -> Self {
        wire::Task {
            id: task.id.to_string(),
            version: task.version,
            created_at: task.created_at.0,
            service_id: task.service.to_string(),
            slot: task.slot.to_string(),
            spec: Some(task.spec.as_ref().into()),
            task_version: task.task_version,
            node_id: task.node.map(|node| node.to_string()).unwrap_or_default(),
            desired: wire::DesiredState::from(task.desired).into(),
            start_after: task.start_after.map(|at| at.0),
            status: Some((&task.status).into()),
            addresses: task.addresses.iter().map(wire::NetworkAddress::from).collect(),
            connections: task.connections.iter().map(wire::TaskConnection::from).collect(),
            ports: Vec::new(),
        }
    }
}

impl From<&TaskStatus> for wire::TaskStatus {
    fn from(status: &TaskStatus) -> Self {
        wire::TaskStatus {
            // The numbers are the same on both sides.
            state: status.state as i32,
            at: status.at.0,
            message: status.message.clone(),
            error: status.error.clone().unwrap_or_default(),
            exit_code: status.exit.map(|exit| exit.code),
            oom_killed: status.exit.is_some_and(|exit| exit.oom_killed),
            pid: status.pid,
            connections_version: status.connections_version,
            health: status.health.as_ref().map(|health| wire::HealthStatus {
                serial: health.serial,
                ready: health.ready,
                message: health.message.clone(),
            }),
        }
    }
}

impl From<DesiredState> for wire::DesiredState {
    fn from(desired: DesiredState) -> Self {
        match desired {
            DesiredState::Ready => wire::DesiredState::Ready,
            DesiredState::Running => wire::DesiredState::Running,
            DesiredState::Shutdown => wire::DesiredState::Shutdown,
            DesiredState::Remove => wire::DesiredState::Remove,
        }
    }
}

impl From<wire::DesiredState> for DesiredState {
    fn from(desired: wire::DesiredState) -> Self {
        match desired {
            wire::DesiredState::Ready => DesiredState::Ready,
            wire::DesiredState::Running => DesiredState::Running,
            wire::DesiredState::Shutdown => DesiredState::Shutdown,
            wire::DesiredState::Remove => DesiredState::Remove,
        }
    }
}

impl TryFrom<wire::Task> for Task {
    type Error = WireError;

    fn try_from(wire: wire::Task) -> Result<Self, WireError> {
        let node = Some(wire.node_id).filter(|id| !id.is_empty());
        Ok(Task {
            id: well_formed("id", wire.id.parse())?,
            version: wire.version,
            created_at: Timestamp(wire.created_at),
            service: well_formed("service_id", wire.service_id.parse())?,
            slot: well_formed("slot", SlotKey::try_from(wire.slot))?,
            spec: Arc::new(well_formed("spec", ServiceSpec::try_from(present("spec", wire.spec)?))?),
            task_version: wire.task_version,
            node: node.map(|id| well_formed("node_id", id.parse())).transpose()?,
            desired: known::<wire::DesiredState>("desired", wire.desired)?.into(),
            start_after: wire.start_after.map(Timestamp),
            status: present("status", wire.status)?.try_into()?,
            addresses: wire.addresses.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            connections: wire.connections.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<wire::TaskStatus> for TaskStatus {
    type Error = WireError;

    fn try_from(wire: wire::TaskStatus) -> Result<Self, WireError> {
        if wire.oom_killed && wire.exit_code.is_none() {
            return Err(WireError::Missing { field: "exit_code" });
        }
        Ok(TaskStatus {
            state: well_formed("state", TaskState::try_from(wire.state))?,
            at: Timestamp(wire.at),
            message: wire.message,
            error: Some(wire.error).filter(|error| !error.is_empty()),
            exit: wire.exit_code.map(|code| ExitStatus { code, oom_killed: wire.oom_killed }),
            pid: wire.pid,
            connections_version: wire.connections_version,
            health: wire.health.map(|health| HealthStatus {
                serial: health.serial,
                ready: health.ready,
                message: health.message,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_task_comes_back_from_the_wire_unchanged(task in testing::task()) {
            prop_assert_eq!(Task::try_from(wire::Task::from(&task)).unwrap(), task);
        }
    }

    fn any_task() -> wire::Task {
        wire::Task::from(&testing::sample(testing::task()))
    }

    #[test]
    fn a_malformed_task_is_refused_with_the_field_named() {
        let spec = wire::ServiceSpec::default();
        for (task, field) in [
            (wire::Task { id: "x".into(), ..any_task() }, "id"),
            (wire::Task { service_id: String::new(), ..any_task() }, "service_id"),
            (wire::Task { slot: "first".into(), ..any_task() }, "slot"),
            (wire::Task { node_id: "x".into(), ..any_task() }, "node_id"),
            (wire::Task { spec: None, ..any_task() }, "spec"),
            (wire::Task { spec: Some(spec), ..any_task() }, "spec"),
            (wire::Task { desired: 99, ..any_task() }, "desired"),
            (wire::Task { status: None, ..any_task() }, "status"),
        ] {
            let error = Task::try_from(task).unwrap_err().to_string();
            assert!(error.starts_with(&format!("field `{field}`")), "{field}: {error}");
        }
    }

    #[test]
    fn an_unknown_state_and_a_kill_without_an_end_are_refused() {
        let unknown = wire::TaskStatus { state: 1, ..Default::default() };
        assert!(matches!(TaskStatus::try_from(unknown), Err(WireError::Malformed { field: "state", .. })));
        let killed = wire::TaskStatus { oom_killed: true, ..Default::default() };
        assert!(matches!(TaskStatus::try_from(killed), Err(WireError::Missing { field: "exit_code" })));
    }

    #[test]
    fn states_have_the_same_numbers_on_both_sides() {
        for state in TaskState::ALL {
            let wire = wire::TaskState::try_from(state as i32).unwrap();
            assert_eq!(wire.as_str_name(), format!("TASK_STATE_{}", state.as_str().to_uppercase()));
        }
    }
}
