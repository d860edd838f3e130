//! `network inspect`.

use super::Session;
use crate::{
    args::network::NetworkInspectArgs,
    client::Client,
    commands::{inspection, several::Refusals},
    error::CliError,
    output::inspect::{InspectedNetwork, Surroundings},
};
use proto::wire::{GetNetworkRequest, InfoRequest, ListNodesRequest, ListServicesRequest, ListTasksRequest};

/// Shows everything about networks.
pub async fn run(session: &Session, args: NetworkInspectArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut control = client.control();
    let mut refusals = Refusals::default();
    let mut found = Vec::new();
    for network in args.networks {
        let answer = control.get_network(GetNetworkRequest { network }).await.map_err(CliError::cluster);
        found.extend(refusals.take(answer)?.map(tonic::Response::into_inner));
    }
    let around = if found.is_empty() { Surroundings::default() } else { surroundings(&client).await? };
    let shown = found.into_iter().map(|network| InspectedNetwork::new(network, &around, args.verbose));
    inspection::print(session, &shown.collect::<Vec<_>>(), args.format.as_deref())?;
    refusals.finish()
}

async fn surroundings(client: &Client) -> Result<Surroundings, CliError> {
    let (mut for_services, mut for_nodes, mut for_tasks) =
        (client.control(), client.control(), client.control());
    let (services, nodes, tasks) = tokio::try_join!(
        for_services.list_services(ListServicesRequest {}),
        for_nodes.list_nodes(ListNodesRequest {}),
        for_tasks.list_tasks(ListTasksRequest::default()),
    )
    .map_err(CliError::cluster)?;
    let info = client.node().info(InfoRequest {}).await.map_err(CliError::node)?.into_inner();
    Ok(Surroundings {
        services: services.into_inner().services,
        nodes: nodes.into_inner().nodes,
        tasks: tasks.into_inner().tasks,
        own_node: info.node_id,
    })
}
