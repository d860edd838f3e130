//! Reading the logs of tasks on any node.

use super::{ControlService, service::Answers};
use crate::status::of_find;
use futures::StreamExt;
use manager_core::{
    requests::find::{self, FindError},
    state::State,
};
use proto::{
    model::{NodeId, Task, TaskId},
    wire::{LogChunk, LogOptions, LogsRequest},
};
use std::{collections::BTreeMap, sync::Arc};
use tonic::Status;

impl ControlService {
    /// The logs of a service's tasks, or of one task.
    pub(super) async fn read_logs(&self, request: LogsRequest) -> Result<Answers<LogChunk>, Status> {
        let state = self.state().await?;
        let by_node = tasks_of_target(&state, &request.target)?;
        let options =
            request.options.unwrap_or(LogOptions { stdout: true, stderr: true, ..LogOptions::default() });
        let stream = self.logs.read(&self.hub, by_node, &options);
        Ok(Box::pin(stream.map(Ok)))
    }
}

/// The tasks meant, by node: a service's, or the one task. A task without a node has never said anything.
fn tasks_of_target(state: &State, target: &str) -> Result<BTreeMap<NodeId, Vec<TaskId>>, Status> {
    let tasks: Vec<&Arc<Task>> = match find::service(state, target) {
        Ok(service) => state.tasks_of(service.id).collect(),
        Err(FindError::NotFound { .. }) => match find::task(state, target) {
            Ok(task) => vec![task],
            Err(FindError::NotFound { .. }) => {
                return Err(Status::not_found(format!("no such service or task: {target}")));
            }
            Err(error) => return Err(of_find(error)),
        },
        Err(error) => return Err(of_find(error)),
    };
    let mut by_node: BTreeMap<NodeId, Vec<TaskId>> = BTreeMap::new();
    for task in tasks {
        if let Some(node) = task.node {
            by_node.entry(node).or_default().push(task.id);
        }
    }
    Ok(by_node)
}
