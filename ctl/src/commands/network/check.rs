//! `network check`.

use super::Session;
use crate::{
    args::network::NetworkCheckArgs,
    commands::inspection,
    error::CliError,
    output::{
        network_check::{Checked, differ, text},
        times,
    },
};
use proto::wire::CheckNetworksRequest;

/// Shows what of networks is not as it should be; fails if anything is, or if a node can't be asked.
pub async fn run(session: &Session, args: NetworkCheckArgs) -> Result<(), CliError> {
    let network = args.network.unwrap_or_default();
    let request = CheckNetworksRequest { network: network.clone() };
    let mut control = session.client().await?.control();
    let nodes = control.check_networks(request).await.map_err(CliError::cluster)?.into_inner().nodes;
    let refusal = differ(&nodes);
    match args.format.as_deref() {
        None => session.printer.data(text(&nodes, &network, times::now_ms()))?,
        format => {
            let checked: Vec<Checked> = nodes.into_iter().map(Checked::from).collect();
            inspection::print(session, &checked, format)?;
        }
    }
    refusal.map_or(Ok(()), |differ| Err(differ.into()))
}
