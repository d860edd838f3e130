//! `service ls`.

use super::Session;
use crate::{
    args::service::LsArgs,
    error::CliError,
    output::{listing, services},
    parse::filters::Filters,
};
use proto::wire::ListServicesRequest;

/// Lists services.
pub async fn run(session: &Session, args: LsArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, services::FILTERS, services::check_filters)?;
    let mut control = session.client().await?.control();
    let all = control.list_services(ListServicesRequest {}).await.map_err(CliError::cluster)?.into_inner();
    let format = listing::Format::choose(&services::LISTING, args.list.format.as_deref(), args.list.quiet);
    let rows = services::rows(all.services, &filters);
    Ok(session.printer.data(listing::render(&services::LISTING, &format, rows)?)?)
}
