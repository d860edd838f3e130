//! Changes of a service: read, edit, send with the version that was read.

use crate::{client::Client, commands::retry, error::CliError};
use proto::{
    model::Problems,
    wire::{GetServiceRequest, Service, ServiceSpec, UpdateServiceRequest},
};

/// Changes a service and gives back what became of it.
pub async fn edit(
    client: &Client,
    service: &str,
    change: impl Fn(&mut ServiceSpec) -> Result<(), Problems>,
) -> Result<Service, CliError> {
    retry::while_stale(async || {
        let mut control = client.control();
        let request = GetServiceRequest { service: service.to_owned() };
        let found = control.get_service(request).await.map_err(CliError::cluster)?.into_inner();
        let mut spec = found.spec.unwrap_or_default();
        change(&mut spec)?;
        let request = UpdateServiceRequest { service: found.id, version: found.version, spec: Some(spec) };
        Ok(control.update_service(request).await.map_err(CliError::cluster)?.into_inner())
    })
    .await
}
