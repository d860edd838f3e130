//! The state as a value that can be written down: what a snapshot holds.

use super::State;
use proto::model::{
    Cluster, DesiredState, Network, NetworkAddress, Node, NodeId, Payload, Service, ServiceId, ServiceSpec,
    SlotKey, Stack, Task, TaskConnection, TaskId, TaskStatus, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The format written by this program.
const FORMAT: u32 = 1;

/// A whole state, flat. Specs shared by many tasks are written once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    format: u32,
    version: u64,
    cluster: Option<Arc<Cluster>>,
    nodes: Vec<Arc<Node>>,
    services: Vec<Arc<Service>>,
    specs: Vec<Arc<ServiceSpec>>,
    tasks: Vec<TaskImage>,
    #[serde(default)]
    networks: Vec<Arc<Network>>,
    #[serde(default)]
    payloads: Vec<Arc<Payload>>,
    #[serde(default)]
    stacks: Vec<Arc<Stack>>,
}

/// A task whose spec is named by its place in [`Image::specs`].
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TaskImage {
    spec: u32,
    task: BareTask,
}

/// The other fields of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BareTask {
    id: TaskId,
    version: u64,
    created_at: Timestamp,
    service: ServiceId,
    slot: SlotKey,
    task_version: u64,
    node: Option<NodeId>,
    desired: DesiredState,
    start_after: Option<Timestamp>,
    status: TaskStatus,
    #[serde(default)]
    addresses: Vec<NetworkAddress>,
    #[serde(default)]
    connections: Vec<TaskConnection>,
}

/// Says why a snapshot can't be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Written by a newer program.
    #[error(
        "the snapshot has format {found}, and this program knows {FORMAT}: run the newer version of shoal"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// A task names a spec that is not there.
    #[error("the snapshot is damaged: a task names spec {0}, which it does not hold")]
    NoSpec(u32),
}

impl State {
    /// The state as a flat value.
    pub fn to_image(&self) -> Image {
        let mut specs: Vec<Arc<ServiceSpec>> = Vec::new();
        // Shared specs are found by address, which is cheaper than comparing them.
        let mut places: BTreeMap<*const ServiceSpec, u32> = BTreeMap::new();
        let tasks = self
            .tasks()
            .map(|task| {
                let spec = *places.entry(Arc::as_ptr(&task.spec)).or_insert_with(|| {
                    specs.push(task.spec.clone());
                    u32::try_from(specs.len() - 1).expect("fewer than 2^32 specs fit into memory")
                });
                TaskImage { spec, task: BareTask::of(task) }
            })
            .collect();
        Image {
            format: FORMAT,
            version: self.version,
            cluster: self.cluster.clone(),
            nodes: self.nodes().cloned().collect(),
            services: self.services().cloned().collect(),
            specs,
            tasks,
            networks: self.networks().cloned().collect(),
            payloads: self.payloads().cloned().collect(),
            stacks: self.stacks().cloned().collect(),
        }
    }

    /// The state that an image was made of.
    pub fn from_image(image: Image) -> Result<State, ImageError> {
        if image.format > FORMAT {
            return Err(ImageError::Newer { found: image.format });
        }
        let mut state = State { version: image.version, cluster: image.cluster, ..State::default() };
        for node in image.nodes {
            state.nodes.insert_mut(node.id, node);
        }
        for network in image.networks {
            state.index_network(&network);
            state.networks.insert_mut(network.id, network);
        }
        for payload in image.payloads {
            state.index_payload(&payload);
            state.payloads.insert_mut(payload.id, payload);
        }
        for service in image.services {
            state.index_service(&service);
            state.index_vips(&service);
            state.services.insert_mut(service.id, service);
        }
        for TaskImage { spec, task } in image.tasks {
            let spec = image.specs.get(spec as usize).ok_or(ImageError::NoSpec(spec))?;
            let task = task.with_spec(spec.clone());
            state.index_task(&task);
            state.tasks_by_service.insert_mut((task.service, task.slot, task.id));
            state.tasks.insert_mut(task.id, Arc::new(task));
        }
        for stack in image.stacks {
            state.stacks.insert_mut(stack.id, stack);
        }
        state.touch_all();
        Ok(state)
    }
}

impl BareTask {
    fn of(task: &Task) -> Self {
        let Task {
            id,
            version,
            created_at,
            service,
            slot,
            spec: _,
            task_version,
            node,
            desired,
            start_after,
            status,
            addresses,
            connections,
        } = task;
        Self {
            id: *id,
            version: *version,
            created_at: *created_at,
            service: *service,
            slot: *slot,
            task_version: *task_version,
            node: *node,
            desired: *desired,
            start_after: *start_after,
            status: status.clone(),
            addresses: addresses.clone(),
            connections: connections.clone(),
        }
    }

    fn with_spec(self, spec: Arc<ServiceSpec>) -> Task {
        let Self {
            id,
            version,
            created_at,
            service,
            slot,
            task_version,
            node,
            desired,
            start_after,
            status,
            addresses,
            connections,
        } = self;
        Task {
            id,
            version,
            created_at,
            service,
            slot,
            spec,
            task_version,
            node,
            desired,
            start_after,
            status,
            addresses,
            connections,
        }
    }
}
