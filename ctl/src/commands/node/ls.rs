//! `node ls`.

use super::Session;
use crate::{
    args::node::LsArgs,
    error::CliError,
    output::{listing, nodes},
    parse::filters::Filters,
};
use proto::wire::{InfoRequest, ListNodesRequest};

/// Lists nodes.
pub async fn run(session: &Session, args: LsArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, nodes::FILTERS, nodes::check_filters)?;
    let client = session.client().await?;
    let (mut control, mut node) = (client.control(), client.node());
    let (all, me) = tokio::try_join!(
        async { control.list_nodes(ListNodesRequest {}).await.map_err(CliError::cluster) },
        async { node.info(InfoRequest {}).await.map_err(CliError::node) },
    )?;
    let rows = nodes::rows(all.into_inner().nodes, &me.into_inner().node_id, &filters);
    let format = listing::Format::choose(&nodes::LISTING, args.list.format.as_deref(), args.list.quiet);
    Ok(session.printer.data(listing::render(&nodes::LISTING, &format, rows)?)?)
}
