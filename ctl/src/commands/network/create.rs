//! `network create`.

use super::Session;
use crate::{args::network::CreateArgs, error::CliError, spec};
use proto::wire::CreateNetworkRequest;

/// Creates a network.
pub async fn run(session: &Session, args: CreateArgs) -> Result<(), CliError> {
    let request = CreateNetworkRequest { spec: Some(spec::create_network(&args)?) };
    let mut control = session.client().await?.control();
    let network = control.create_network(request).await.map_err(CliError::cluster)?.into_inner();
    Ok(session.printer.line(&network.id)?)
}
