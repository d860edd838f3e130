//! What a network is connected with: a service, or one task.

use crate::{client::Client, error::CliError};
use proto::wire::{GetNetworkRequest, GetServiceRequest, GetTaskRequest, Network, Service, Task};
use tonic::{Code, Status};

/// What a person named.
pub enum Target {
    /// A service with all its tasks.
    Service(Box<Service>),
    /// One task.
    Task(Box<Task>),
}

/// Finds a network by its name or id.
pub async fn network(client: &Client, name: &str) -> Result<Network, CliError> {
    let request = GetNetworkRequest { network: name.to_owned() };
    Ok(client.control().get_network(request).await.map_err(CliError::cluster)?.into_inner())
}

/// Finds a service by its name or id, else a task by its id or as SERVICE.SLOT.
pub async fn find(client: &Client, name: &str) -> Result<Target, CliError> {
    let mut control = client.control();
    match control.get_service(GetServiceRequest { service: name.to_owned() }).await {
        Ok(service) => return Ok(Target::Service(Box::new(service.into_inner()))),
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(CliError::cluster(status)),
    }
    match control.get_task(GetTaskRequest { task: name.to_owned() }).await {
        Ok(task) => Ok(Target::Task(Box::new(task.into_inner()))),
        Err(status) if status.code() == Code::NotFound => {
            let message = format!(
                "neither a service nor a task `{name}` was found: give a service's name, a task's id, or SERVICE.SLOT"
            );
            Err(CliError::cluster(Status::not_found(message)))
        }
        Err(status) => Err(CliError::cluster(status)),
    }
}
