//! `network ls`.

use super::Session;
use crate::{
    args::network::LsArgs,
    error::CliError,
    output::{listing, networks},
    parse::filters::Filters,
};
use proto::wire::ListNetworksRequest;

/// Lists networks.
pub async fn run(session: &Session, args: LsArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, networks::FILTERS, networks::check_filters)?;
    let mut control = session.client().await?.control();
    let all = control.list_networks(ListNetworksRequest {}).await.map_err(CliError::cluster)?.into_inner();
    let format = listing::Format::choose(&networks::LISTING, args.list.format.as_deref(), args.list.quiet);
    let rows = networks::rows(all.networks, &filters, !args.no_trunc);
    Ok(session.printer.data(listing::render(&networks::LISTING, &format, rows)?)?)
}
