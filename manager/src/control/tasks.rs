//! Looking at tasks.

use super::{ControlService, addresses};
use crate::status::of_find;
use manager_core::{requests::find, state::State};
use proto::{
    model::Task,
    wire::{self, GetTaskRequest, ListTasksRequest, ListTasksResponse},
};
use std::sync::Arc;
use tonic::{Request, Status};

impl ControlService {
    pub(super) async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<ListTasksResponse, Status> {
        let ListTasksRequest { services, nodes } = request.into_inner();
        let state = self.state().await?;
        let services = services
            .iter()
            .map(|name| find::service(&state, name).map(|service| service.id))
            .collect::<Result<Vec<_>, _>>()
            .map_err(of_find)?;
        let nodes = nodes
            .iter()
            .map(|name| find::node(&state, name).map(|node| node.id))
            .collect::<Result<Vec<_>, _>>()
            .map_err(of_find)?;
        let wanted = |task: &&Arc<Task>| {
            (services.is_empty() || services.contains(&task.service))
                && (nodes.is_empty() || task.node.is_some_and(|node| nodes.contains(&node)))
        };
        let tasks = candidates(&state, &services)
            .filter(wanted)
            .map(|task| addresses::task_view(&state, task))
            .collect();
        Ok(ListTasksResponse { tasks })
    }

    pub(super) async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<wire::Task, Status> {
        let state = self.state().await?;
        let task = find::task(&state, &request.into_inner().task).map_err(of_find)?;
        Ok(addresses::task_view(&state, task))
    }
}

/// The tasks to look through: only those of the services that are asked for.
fn candidates<'a>(
    state: &'a State,
    services: &'a [proto::model::ServiceId],
) -> Box<dyn Iterator<Item = &'a Arc<Task>> + 'a> {
    if services.is_empty() {
        Box::new(state.tasks())
    } else {
        Box::new(services.iter().flat_map(|&service| state.tasks_of(service)))
    }
}
