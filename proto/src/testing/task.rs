//! Tasks and what is observed of them.

use super::{id, service::service_spec, timestamp};
use crate::model::{DesiredState, ExitStatus, HealthStatus, SlotKey, Task, TaskState, TaskStatus};
use proptest::{option, prelude::*, sample::select};
use std::sync::Arc;

/// Any task.
pub fn task() -> impl Strategy<Value = Task> {
    let object = (id(), any::<u64>(), timestamp());
    let place = (id(), slot(), option::of(id()));
    let wanted = (desired(), option::of(timestamp()));
    (object, place, service_spec(), any::<u64>(), wanted, task_status()).prop_map(
        |(
            (id, version, created_at),
            (service, slot, node),
            spec,
            task_version,
            (desired, start_after),
            status,
        )| Task {
            id,
            version,
            created_at,
            service,
            slot,
            spec: Arc::new(spec),
            task_version,
            node,
            desired,
            start_after,
            status,
            addresses: Vec::new(),
            connections: Vec::new(),
        },
    )
}

/// Any status, also ones that no task reaches, such as a process id in `New`.
pub fn task_status() -> impl Strategy<Value = TaskStatus> {
    let exit = (any::<i32>(), any::<bool>()).prop_map(|(code, oom_killed)| ExitStatus { code, oom_killed });
    let ended = (option::of("\\PC{1,20}"), option::of(exit));
    let health = ("\\PC{0,20}", any::<u64>(), any::<bool>());
    let health = health.prop_map(|(message, serial, ready)| HealthStatus { serial, ready, message });
    let place = (option::of(any::<u32>()), any::<u64>(), option::of(health));
    (select(TaskState::ALL.to_vec()), timestamp(), "\\PC{0,20}", ended, place).prop_map(
        |(state, at, message, (error, exit), (pid, connections_version, health))| TaskStatus {
            state,
            at,
            message,
            error,
            exit,
            pid,
            connections_version,
            health,
        },
    )
}

fn slot() -> impl Strategy<Value = SlotKey> {
    prop_oneof![(1..=u32::MAX).prop_map(SlotKey::Replica), id().prop_map(SlotKey::Node)]
}

fn desired() -> impl Strategy<Value = DesiredState> {
    select(vec![DesiredState::Ready, DesiredState::Running, DesiredState::Shutdown, DesiredState::Remove])
}
