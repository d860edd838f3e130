//! `service explain`.

use super::Session;
use crate::{
    args::service::ExplainArgs,
    error::CliError,
    output::{fits, listing, tasks},
    parse::filters::Filters,
};
use proto::wire::{ExplainServiceRequest, ListTasksRequest};

/// Shows how every node stands for another task of a service, and what its tasks wait for.
pub async fn run(session: &Session, args: ExplainArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, fits::FILTERS, fits::check_filters)?;
    let mut control = session.client().await?.control();
    let request = ExplainServiceRequest { service: args.service.clone() };
    let told = control.explain_service(request).await.map_err(CliError::cluster)?.into_inner();
    let request = ListTasksRequest { services: vec![args.service.clone()], nodes: Vec::new() };
    let listed = control.list_tasks(request).await.map_err(CliError::cluster)?.into_inner();
    if !told.reason.is_empty() {
        session.printer.note(&format!("no node can have another task: {}", told.reason));
    }
    for (task, reason) in tasks::waiting(&listed.tasks) {
        session.printer.note(&format!("{task} waits: {reason}"));
    }
    let format = listing::Format::choose(&fits::LISTING, args.list.format.as_deref(), args.list.quiet);
    Ok(session.printer.data(listing::render(&fits::LISTING, &format, fits::rows(told.nodes, &filters))?)?)
}
