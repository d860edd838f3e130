//! `stack services`.

use super::Session;
use crate::{
    args::stack::ServicesArgs,
    error::CliError,
    output::{listing, services},
    parse::filters::Filters,
};
use proto::wire::{GetStackRequest, ListServicesRequest};

/// Lists the services of a stack.
pub async fn run(session: &Session, args: ServicesArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, services::FILTERS, services::check_filters)?;
    let client = session.client().await?;
    let (mut for_stack, mut for_services) = (client.control(), client.control());
    let (stack, all) = tokio::try_join!(
        for_stack.get_stack(GetStackRequest { stack: args.stack }),
        for_services.list_services(ListServicesRequest {})
    )
    .map_err(CliError::cluster)?;
    let own = stack.into_inner().service_ids;
    let mut found = all.into_inner().services;
    found.retain(|service| own.contains(&service.id));
    let format = listing::Format::choose(&services::LISTING, args.list.format.as_deref(), args.list.quiet);
    let rows = services::rows(found, &filters);
    Ok(session.printer.data(listing::render(&services::LISTING, &format, rows)?)?)
}
