//! The networks that services are in: names to ids, and ids to names.

use crate::{
    args::service::UpdateArgs,
    client::Client,
    commands::several::Refusals,
    error::CliError,
    spec::{self, NetworkIds},
};
use proto::wire::{GetNetworkRequest, ListNetworksRequest, Network, Service, control_client::ControlClient};
use tonic::transport::Channel;

/// The ids of the networks that an update names. All that are not there are told at once.
pub async fn ids(client: &Client, args: &UpdateArgs) -> Result<NetworkIds, CliError> {
    let mut control = client.control();
    let mut refusals = Refusals::default();
    let mut ids = NetworkIds::new();
    for name in spec::networks_named(args) {
        let request = GetNetworkRequest { network: name.clone() };
        let answer = control.get_network(request).await.map_err(CliError::cluster);
        ids.extend(refusals.take(answer)?.map(|network| (name, network.into_inner().id)));
    }
    refusals.finish().map(|()| ids)
}

/// The networks there are, if any of the services is in one.
pub async fn of(
    control: &mut ControlClient<Channel>,
    services: &[Service],
) -> Result<Vec<Network>, CliError> {
    let task = |service: &Service| service.spec.as_ref().and_then(|spec| spec.task.clone());
    if services.iter().filter_map(task).all(|task| task.attachments.is_empty()) {
        return Ok(Vec::new());
    }
    let all = control.list_networks(ListNetworksRequest {}).await.map_err(CliError::cluster)?;
    Ok(all.into_inner().networks)
}
