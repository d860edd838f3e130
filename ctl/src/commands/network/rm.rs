//! `network rm`.

use super::Session;
use crate::{args::network::RmArgs, commands::several::Refusals, error::CliError};
use proto::wire::RemoveNetworkRequest;
use tonic::Code;

/// Removes networks.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let mut refusals = Refusals::default();
    for network in args.networks {
        match control.remove_network(RemoveNetworkRequest { network: network.clone() }).await {
            Err(missing) if args.force && missing.code() == Code::NotFound => {}
            answer => {
                if refusals.take(answer.map_err(CliError::cluster))?.is_some() {
                    session.printer.line(&network)?;
                }
            }
        }
    }
    refusals.finish()
}
