//! `stack ls`.

use super::Session;
use crate::{
    args::stack::LsArgs,
    error::CliError,
    output::{listing, stacks},
    parse::filters::Filters,
};
use proto::wire::ListStacksRequest;

/// Lists stacks.
pub async fn run(session: &Session, args: LsArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, stacks::FILTERS, |_, _| {})?;
    let mut control = session.client().await?.control();
    let all = control.list_stacks(ListStacksRequest {}).await.map_err(CliError::cluster)?.into_inner();
    let format = listing::Format::choose(&stacks::LISTING, args.list.format.as_deref(), args.list.quiet);
    let rows = stacks::rows(all.stacks, &filters);
    Ok(session.printer.data(listing::render(&stacks::LISTING, &format, rows)?)?)
}
