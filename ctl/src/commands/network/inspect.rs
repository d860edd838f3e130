//! `network inspect`.

use super::Session;
use crate::{
    args::network::NetworkInspectArgs,
    client::Client,
    commands::{inspection, several::Refusals},
    error::CliError,
    output::inspect::{InspectedNetwork, Surroundings},
};
use proto::wire::{GetNetworkRequest, ListNodesRequest, ListServicesRequest};

/// Shows everything about networks.
pub async fn run(session: &Session, args: NetworkInspectArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let around = if args.verbose { Some(surroundings(&client).await?) } else { None };
    let mut control = client.control();
    let mut refusals = Refusals::default();
    let mut found = Vec::new();
    for network in args.networks {
        let answer = control.get_network(GetNetworkRequest { network }).await.map_err(CliError::cluster);
        if let Some(answer) = refusals.take(answer)? {
            found.push(InspectedNetwork::new(answer.into_inner(), around.as_ref()));
        }
    }
    inspection::print(session, &found, args.format.as_deref())?;
    refusals.finish()
}

async fn surroundings(client: &Client) -> Result<Surroundings, CliError> {
    let (mut for_services, mut for_nodes) = (client.control(), client.control());
    let (services, nodes) = tokio::try_join!(
        for_services.list_services(ListServicesRequest {}),
        for_nodes.list_nodes(ListNodesRequest {})
    )
    .map_err(CliError::cluster)?;
    Ok(Surroundings { services: services.into_inner().services, nodes: nodes.into_inner().nodes })
}
